-- What is done to messages after they are posted: edits, reactions, pins.

-- Reactions (with counts and the first users) and the pin, as they are at the message's version: JSON.
ALTER TABLE messages ADD COLUMN marks TEXT;

-- The text that an edit replaced; `version` is the edit's. Gone with the message.
CREATE TABLE message_edits (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    seq BIGINT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    replaced_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, seq, version)
);

-- Everybody who reacted; `version` tells who was first.
CREATE TABLE message_reactions (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    seq BIGINT NOT NULL,
    emoji TEXT NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id),
    version BIGINT NOT NULL,
    PRIMARY KEY (room_id, seq, emoji, user_id)
) WITHOUT ROWID;

CREATE TABLE message_pins (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    seq BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (room_id, seq)
) WITHOUT ROWID;
