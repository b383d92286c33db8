-- What replies used: a row for each attempt that asked a provider. Counts and names of models only, never a word of what was
-- said; it outlives the message and the room. No foreign keys: users and rooms are never deleted, only emptied.

CREATE TABLE reply_attempts (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    attempt integer NOT NULL,
    asker_id uuid NOT NULL,
    assistant_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'complete', 'stopped', 'failed', 'interrupted', 'lost')),
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cached_tokens bigint NOT NULL DEFAULT 0,
    estimated boolean NOT NULL DEFAULT true,
    -- Millionths of the operator's currency; none where the model had no price.
    cost_micros bigint,
    -- What it may use at most: held back in `spending` while it runs.
    most_tokens bigint NOT NULL,
    most_cost_micros bigint NOT NULL,
    first_token_ms bigint,
    stop_reason text,
    error text,
    asked_at timestamptz NOT NULL,
    ended_at timestamptz,
    UNIQUE (room_id, seq, attempt)
);
CREATE INDEX reply_attempts_asker ON reply_attempts (asker_id, id);
CREATE INDEX reply_attempts_room ON reply_attempts (room_id, id);
CREATE INDEX reply_attempts_asked ON reply_attempts (asked_at);
CREATE INDEX reply_attempts_running ON reply_attempts (id) WHERE state = 'running';

-- How much was used, and is held back, by a user, a room or the server (the nil id) in a day or month of UTC. Rows that all
-- replies share are written often and kept narrow, with room beside them for their next form.
CREATE TABLE spending (
    subject uuid NOT NULL,
    period text NOT NULL,
    spent_cost_micros bigint NOT NULL DEFAULT 0,
    spent_tokens bigint NOT NULL DEFAULT 0,
    held_cost_micros bigint NOT NULL DEFAULT 0,
    held_tokens bigint NOT NULL DEFAULT 0,
    running bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, period)
) WITH (fillfactor = 50);
