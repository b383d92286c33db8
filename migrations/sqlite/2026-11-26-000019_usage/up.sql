-- What replies used: a row for each attempt that asked a provider. Counts and names of models only, never a word of what was
-- said; it outlives the message and the room.

CREATE TABLE reply_attempts (
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    asker_id BLOB NOT NULL,
    assistant_id BLOB NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    input_tokens BIGINT NOT NULL DEFAULT 0,
    output_tokens BIGINT NOT NULL DEFAULT 0,
    cached_tokens BIGINT NOT NULL DEFAULT 0,
    estimated BOOLEAN NOT NULL DEFAULT TRUE,
    -- Millionths of the operator's currency; none where the model had no price.
    cost_micros BIGINT,
    -- What it may use at most: held back in `spending` while it runs.
    most_tokens BIGINT NOT NULL,
    most_cost_micros BIGINT NOT NULL,
    first_token_ms BIGINT,
    stop_reason TEXT,
    error TEXT,
    asked_at BIGINT NOT NULL,
    ended_at BIGINT,
    UNIQUE (room_id, seq, attempt)
) WITHOUT ROWID;
CREATE INDEX reply_attempts_asker ON reply_attempts (asker_id, id);
CREATE INDEX reply_attempts_room ON reply_attempts (room_id, id);
CREATE INDEX reply_attempts_asked ON reply_attempts (asked_at);
CREATE INDEX reply_attempts_running ON reply_attempts (id) WHERE state = 'running';

-- How much was used, and is held back, by a user, a room or the server (the nil id) in a day or month of UTC.
CREATE TABLE spending (
    subject BLOB NOT NULL,
    period TEXT NOT NULL,
    spent_cost_micros BIGINT NOT NULL DEFAULT 0,
    spent_tokens BIGINT NOT NULL DEFAULT 0,
    held_cost_micros BIGINT NOT NULL DEFAULT 0,
    held_tokens BIGINT NOT NULL DEFAULT 0,
    running BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, period)
) WITHOUT ROWID;
