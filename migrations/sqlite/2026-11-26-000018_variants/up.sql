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
