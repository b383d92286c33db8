-- The words of every message that can be found, kept right by triggers, whoever writes.

-- A message's number in the index. They ascend in the order in which messages were written.
CREATE TABLE message_places (
    id INTEGER PRIMARY KEY,
    room_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    UNIQUE (room_id, seq)
);
-- The index holds no text of its own.
CREATE VIEW message_texts AS
    SELECT p.id AS id, m.body AS body
    FROM message_places p JOIN messages m ON m.room_id = p.room_id AND m.seq = p.seq
    WHERE m.body <> '' AND m.deleted_at IS NULL AND m.state <> 'queued';
CREATE VIRTUAL TABLE message_words USING fts5 (
    body, content = 'message_texts', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 0'
);

CREATE TRIGGER messages_inserted AFTER INSERT ON messages BEGIN
    INSERT INTO message_places (room_id, seq) VALUES (new.room_id, new.seq);
    INSERT INTO message_words (rowid, body)
        SELECT p.id, new.body FROM message_places p
        WHERE p.room_id = new.room_id AND p.seq = new.seq
          AND new.body <> '' AND new.deleted_at IS NULL AND new.state <> 'queued';
END;
CREATE TRIGGER messages_updated AFTER UPDATE OF body, state, deleted_at ON messages BEGIN
    INSERT INTO message_words (message_words, rowid, body)
        SELECT 'delete', p.id, old.body FROM message_places p
        WHERE p.room_id = old.room_id AND p.seq = old.seq
          AND old.body <> '' AND old.deleted_at IS NULL AND old.state <> 'queued';
    INSERT INTO message_words (rowid, body)
        SELECT p.id, new.body FROM message_places p
        WHERE p.room_id = new.room_id AND p.seq = new.seq
          AND new.body <> '' AND new.deleted_at IS NULL AND new.state <> 'queued';
END;
CREATE TRIGGER messages_deleted AFTER DELETE ON messages BEGIN
    INSERT INTO message_words (message_words, rowid, body)
        SELECT 'delete', p.id, old.body FROM message_places p
        WHERE p.room_id = old.room_id AND p.seq = old.seq
          AND old.body <> '' AND old.deleted_at IS NULL AND old.state <> 'queued';
    DELETE FROM message_places WHERE room_id = old.room_id AND seq = old.seq;
END;

INSERT INTO message_places (room_id, seq) SELECT room_id, seq FROM messages ORDER BY created_at, room_id, seq;
INSERT INTO message_words (message_words) VALUES ('rebuild');

-- How long a room keeps its messages; without a row, for ever.
CREATE TABLE room_retention (
    room_id BLOB NOT NULL PRIMARY KEY REFERENCES rooms (id),
    days INTEGER NOT NULL
);
