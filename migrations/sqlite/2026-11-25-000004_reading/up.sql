-- Who is mentioned where, for counting. Written with the message.
CREATE TABLE mentions (
    user_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id, seq)
) WITHOUT ROWID;

-- Mentions are looked for by name among all, guests too.
CREATE INDEX users_name_key ON users (name_key);

-- What was there before reading was counted is not new to anybody.
UPDATE memberships SET last_read_seq =
    (SELECT last_seq FROM room_heads WHERE room_heads.room_id = memberships.room_id);
