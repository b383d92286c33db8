-- Several texts of one reply, of which the room has selected one. The selected one is in `messages`; here are the others,
-- each under its number. Gone with the message.

CREATE TABLE reply_variants (
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    variant INTEGER NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    html TEXT,
    meta TEXT NOT NULL,
    PRIMARY KEY (room_id, seq, variant)
);

-- Which of them is selected.
ALTER TABLE replies ADD COLUMN selected INTEGER NOT NULL DEFAULT 1;

-- What a room says of its assistants. The server's own is in every room without a row too.
CREATE TABLE room_assistants (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    added_at BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL,
    provider TEXT,
    model TEXT,
    system TEXT NOT NULL,
    temperature INTEGER,
    max_tokens INTEGER,
    history_tokens INTEGER,
    may_prompt TEXT NOT NULL,
    may_stop TEXT NOT NULL,
    may_regenerate TEXT NOT NULL,
    PRIMARY KEY (room_id, user_id)
) WITHOUT ROWID;

-- Several assistants may answer one message.
DROP INDEX replies_prompt;
CREATE INDEX replies_prompt ON replies (room_id, prompt_seq);
