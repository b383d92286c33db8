-- Several texts of one reply, of which the room has selected one.
-- The selected one is in `messages`; here are the others, each under its number. No foreign keys, as in `messages`: rows are
-- written under the room's head lock. Gone with the message.

CREATE TABLE reply_variants (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    variant integer NOT NULL CHECK (variant > 0),
    state text NOT NULL CHECK (state IN ('complete', 'stopped', 'failed', 'interrupted')),
    body text NOT NULL,
    html text,
    meta jsonb NOT NULL,
    PRIMARY KEY (room_id, seq, variant)
);

-- Which of them is selected. A constant default rewrites no row, and the release before this one makes replies of one
-- variant without it.
ALTER TABLE replies ADD COLUMN selected integer NOT NULL DEFAULT 1;

-- What a room says of its assistants. The server's own is in every room without a row too. No foreign keys: rows are written
-- under the room's head lock, and users are never deleted.
CREATE TABLE room_assistants (
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    added_at timestamptz NOT NULL,
    enabled boolean NOT NULL,
    provider text,
    model text,
    system text NOT NULL,
    temperature integer,
    max_tokens integer,
    history_tokens integer,
    may_prompt text NOT NULL CHECK (may_prompt IN ('owner', 'moderator', 'member', 'reader')),
    may_stop text NOT NULL CHECK (may_stop IN ('owner', 'moderator', 'member', 'reader')),
    may_regenerate text NOT NULL CHECK (may_regenerate IN ('owner', 'moderator', 'member', 'reader')),
    PRIMARY KEY (room_id, user_id)
);

-- Several assistants may answer one message, each once. The index may be built beforehand, beside a running server (CREATE UNIQUE
-- INDEX CONCURRENTLY); what then takes the table's lock takes it for a moment.
CREATE UNIQUE INDEX IF NOT EXISTS replies_prompt ON replies (room_id, prompt_seq, assistant_id);
ALTER TABLE replies DROP CONSTRAINT replies_room_id_prompt_seq_key;
