-- Ids are UUIDs as 16 bytes; times are microseconds since 1970 UTC; booleans are 0 and 1.

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The name in lower case: names are compared without case, and SQLite knows only that of ASCII.
    name_key TEXT NOT NULL,
    -- The same for all but guests, who may share a name.
    unique_name TEXT UNIQUE,
    password_hash TEXT,
    admin BOOLEAN NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE tickets (
    ticket_hash BLOB NOT NULL PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_session ON tickets (session_id);
CREATE INDEX tickets_expiry ON tickets (expires_at);

CREATE TABLE rooms (
    id BLOB NOT NULL PRIMARY KEY,
    -- Unique for ever: a deleted room keeps its row.
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    visibility TEXT NOT NULL,
    -- The two users of a direct room, so that there is one room for a pair.
    direct_key BLOB,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX rooms_direct ON rooms (direct_key) WHERE direct_key IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX rooms_public ON rooms (visibility, slug);

CREATE TABLE memberships (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    last_read_seq BIGINT NOT NULL DEFAULT 0,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, user_id)
) WITHOUT ROWID;
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE room_heads (
    room_id BLOB NOT NULL PRIMARY KEY REFERENCES rooms (id),
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 0,
    last_seq BIGINT NOT NULL DEFAULT 0,
    first_seq BIGINT NOT NULL DEFAULT 1,
    floor BIGINT NOT NULL DEFAULT 0,
    -- The time of the latest change: created_at never goes back within a room.
    last_at BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE messages (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    seq BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- What `version` was at first: a resend is answered with it.
    created_version BIGINT NOT NULL,
    author_id BLOB NOT NULL REFERENCES users (id),
    client_id BLOB,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    html TEXT,
    -- The version of the renderer that made `html`.
    html_version INTEGER NOT NULL DEFAULT 1,
    reply_to BIGINT,
    thread_root BIGINT,
    meta TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    deleted_at BIGINT,
    PRIMARY KEY (room_id, seq)
);
CREATE UNIQUE INDEX messages_version ON messages (room_id, version);
CREATE UNIQUE INDEX messages_client ON messages (room_id, author_id, client_id) WHERE client_id IS NOT NULL;

CREATE TABLE room_log (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    user_id BLOB REFERENCES users (id),
    role TEXT,
    data TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, version)
) WITHOUT ROWID;

CREATE TABLE replies (
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    prompt_seq BIGINT NOT NULL,
    asker_id BLOB NOT NULL REFERENCES users (id),
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    shown BOOLEAN NOT NULL DEFAULT 0,
    stop_requested BOOLEAN NOT NULL DEFAULT 0,
    lease_owner BLOB,
    lease_until BIGINT,
    queued_at BIGINT NOT NULL,
    settled_at BIGINT,
    model TEXT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    PRIMARY KEY (room_id, seq),
    FOREIGN KEY (room_id, seq) REFERENCES messages (room_id, seq)
);
CREATE UNIQUE INDEX replies_prompt ON replies (room_id, prompt_seq);
-- Few rows are ever in these: what waits or runs.
CREATE INDEX replies_waiting ON replies (queued_at) WHERE settled_at IS NULL;
CREATE INDEX replies_unsettled ON replies (room_id, seq) WHERE settled_at IS NULL;

CREATE TABLE reply_chunks (
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (room_id, seq, attempt, first),
    FOREIGN KEY (room_id, seq) REFERENCES replies (room_id, seq)
);

CREATE TABLE batches (
    id BLOB NOT NULL PRIMARY KEY,
    -- What was answered, for the rerun of a lost COMMIT.
    answer TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX batches_age ON batches (created_at);
