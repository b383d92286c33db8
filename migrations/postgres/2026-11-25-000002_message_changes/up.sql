-- What is done to messages after they are posted: edits, reactions, pins.
-- Of the tables in use only `messages` changes: a column that is empty at first, which rewrites no row.
-- No foreign keys, as in `messages`: rows are written under the room's head lock.

-- Reactions (with counts and the first users) and the pin, as they are at the message's version.
ALTER TABLE messages ADD COLUMN marks jsonb;

-- The text that an edit replaced; `version` is the edit's. Gone with the message.
CREATE TABLE message_edits (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    version bigint NOT NULL,
    body text NOT NULL,
    written_at timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL,
    PRIMARY KEY (room_id, seq, version)
);

-- Everybody who reacted; `version` tells who was first.
CREATE TABLE message_reactions (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    emoji text NOT NULL,
    user_id uuid NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (room_id, seq, emoji, user_id)
);

CREATE TABLE message_pins (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (room_id, seq)
);
