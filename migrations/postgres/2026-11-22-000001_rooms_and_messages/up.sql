-- The first schema: accounts, rooms, their one ordered history, and the replies being written.
-- `name_key` is the name folded by the server, so that every store compares names alike.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('user', 'guest', 'assistant')),
    password_hash text,
    admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- Guests may share a name; everybody else has one of their own.
CREATE UNIQUE INDEX users_name_key ON users (name_key) WHERE kind <> 'guest';

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE tickets (
    ticket_hash bytea PRIMARY KEY CHECK (octet_length(ticket_hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX tickets_session_id ON tickets (session_id);
CREATE INDEX tickets_expires_at ON tickets (expires_at);

-- A deleted room keeps its row: its slug is never used again, and its history stays until retention takes it.
CREATE TABLE rooms (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    visibility text NOT NULL CHECK (visibility IN ('public', 'private', 'direct')),
    direct_user_id uuid REFERENCES users (id),
    direct_assistant_id uuid REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
-- One direct room of a pair, whichever way round it is named; one of two that are made at once wins.
CREATE UNIQUE INDEX rooms_direct
    ON rooms (least(direct_user_id, direct_assistant_id), greatest(direct_user_id, direct_assistant_id))
    WHERE deleted_at IS NULL AND direct_user_id IS NOT NULL;
CREATE INDEX rooms_public ON rooms (slug) WHERE visibility = 'public' AND deleted_at IS NULL;

CREATE TABLE memberships (
    room_id uuid NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('owner', 'moderator', 'member', 'reader')),
    last_read_seq bigint NOT NULL DEFAULT 0,
    joined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX memberships_user_id ON memberships (user_id, room_id);

-- The counters of a room, and the lock that orders every change of it. Narrow, with free space in each page and no
-- index on a counter: an update stays on its page (HOT) and touches no index.
CREATE TABLE room_heads (
    room_id uuid PRIMARY KEY REFERENCES rooms (id) ON DELETE CASCADE,
    epoch bigint NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    last_seq bigint NOT NULL DEFAULT 0,
    first_seq bigint NOT NULL DEFAULT 1,
    floor bigint NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00'
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- No foreign keys: every row is written under its room's head lock by a transaction that has just read the
-- membership, rooms and users are never deleted, and a check for each row of the busiest table has a price.
CREATE TABLE messages (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    version bigint NOT NULL,
    created_version bigint NOT NULL,
    author_id uuid NOT NULL,
    client_id uuid,
    kind text NOT NULL CHECK (kind IN ('user', 'assistant')),
    state text NOT NULL CHECK (state IN ('queued', 'complete', 'stopped', 'failed', 'interrupted')),
    body text NOT NULL,
    html text,
    renderer smallint NOT NULL DEFAULT 1,
    reply_to bigint,
    thread_root bigint,
    meta jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    edited_at timestamptz,
    deleted_at timestamptz,
    PRIMARY KEY (room_id, seq),
    UNIQUE (room_id, version),
    UNIQUE (room_id, author_id, client_id)
);

CREATE TABLE room_log (
    room_id uuid NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('removed', 'role', 'settings', 'deleted')),
    user_id uuid,
    role text CHECK (role IN ('owner', 'moderator', 'member', 'reader')),
    data jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, version)
);

CREATE TABLE replies (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    prompt_seq bigint NOT NULL,
    asker_id uuid NOT NULL,
    assistant_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'streaming', 'settled')),
    attempt integer NOT NULL DEFAULT 0,
    shown boolean NOT NULL DEFAULT false,
    stop_requested boolean NOT NULL DEFAULT false,
    lease_owner uuid,
    lease_until timestamptz,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    queued_at timestamptz NOT NULL,
    PRIMARY KEY (room_id, seq),
    UNIQUE (room_id, prompt_seq),
    CHECK ((state = 'streaming') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL))
) WITH (fillfactor = 70);
-- The few that somebody still has to do something about.
CREATE INDEX replies_open ON replies (room_id, seq) WHERE state <> 'settled';

-- What a running reply has shown so far, in pieces: a growing body is never rewritten.
CREATE TABLE reply_chunks (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    attempt integer NOT NULL,
    first integer NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    text text NOT NULL,
    PRIMARY KEY (room_id, seq, attempt, first)
);

-- What batches answered, for the rerun of one whose COMMIT's answer was lost; swept after an hour.
CREATE TABLE batches (
    id uuid PRIMARY KEY,
    results jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX batches_created_at ON batches (created_at);

-- Every database begins with a public room and an assistant. The epoch is random, below 2^63.
WITH lobby AS (
    INSERT INTO rooms (id, slug, name, visibility)
    VALUES (gen_random_uuid(), 'lobby', 'Lobby', 'public')
    RETURNING id
)
INSERT INTO room_heads (room_id, epoch)
SELECT id, ('x' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 8)
                || substr(replace(gen_random_uuid()::text, '-', ''), 1, 8))::bit(64)::bigint & 9223372036854775807
FROM lobby;

INSERT INTO users (id, name, name_key, kind)
VALUES (gen_random_uuid(), 'assistant', 'assistant', 'assistant');
