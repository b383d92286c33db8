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
