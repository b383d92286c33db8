-- Links that let their holders into a room, and those who are kept out of one. New tables only.
-- No foreign keys: rows are written under the room's head lock, and a check would lock tables in use.

CREATE TABLE invites (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL,
    -- The SHA-256 of what the link holds.
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    role text NOT NULL CHECK (role IN ('moderator', 'member', 'reader')),
    made_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    max_uses integer NOT NULL,
    uses integer NOT NULL DEFAULT 0 CHECK (uses <= max_uses),
    revoked_at timestamptz
);
CREATE INDEX invites_room_id ON invites (room_id);

CREATE TABLE bans (
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    banned_by uuid NOT NULL,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
