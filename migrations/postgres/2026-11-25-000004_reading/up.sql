-- Who is mentioned where, for counting. Written with the message, under its room's head lock; no foreign keys, as with
-- messages.
CREATE TABLE mentions (
    user_id uuid NOT NULL,
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (user_id, room_id, seq)
);

-- What was there before reading was counted is not new to anybody.
UPDATE memberships m SET last_read_seq = h.last_seq FROM room_heads h WHERE h.room_id = m.room_id;

-- Mentions are looked for by name among all, guests too. Last: sign-ups wait while it is built.
CREATE INDEX users_any_name_key ON users (name_key);
