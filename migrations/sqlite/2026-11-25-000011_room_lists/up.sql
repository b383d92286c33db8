-- How rooms are found, and how many messages a room keeps.

-- A room's number in the index.
CREATE TABLE room_places (
    id INTEGER PRIMARY KEY,
    room_id BLOB NOT NULL UNIQUE
);
-- The index holds no text of its own.
CREATE VIEW room_texts AS
    SELECT p.id AS id, r.slug AS slug, r.name AS name, r.topic AS topic
    FROM room_places p JOIN rooms r ON r.id = p.room_id;
-- Every three letters in a row of what a room is found by.
CREATE VIRTUAL TABLE room_words USING fts5 (
    slug, name, topic, content = 'room_texts', content_rowid = 'id', tokenize = 'trigram'
);

CREATE TRIGGER rooms_inserted AFTER INSERT ON rooms BEGIN
    INSERT INTO room_places (room_id) VALUES (new.id);
    INSERT INTO room_words (rowid, slug, name, topic)
        SELECT id, new.slug, new.name, new.topic FROM room_places WHERE room_id = new.id;
END;
CREATE TRIGGER rooms_updated AFTER UPDATE OF slug, name, topic ON rooms BEGIN
    INSERT INTO room_words (room_words, rowid, slug, name, topic)
        SELECT 'delete', id, old.slug, old.name, old.topic FROM room_places WHERE room_id = old.id;
    INSERT INTO room_words (rowid, slug, name, topic)
        SELECT id, new.slug, new.name, new.topic FROM room_places WHERE room_id = new.id;
END;
CREATE TRIGGER rooms_deleted AFTER DELETE ON rooms BEGIN
    INSERT INTO room_words (room_words, rowid, slug, name, topic)
        SELECT 'delete', id, old.slug, old.name, old.topic FROM room_places WHERE room_id = old.id;
    DELETE FROM room_places WHERE room_id = old.id;
END;

INSERT INTO room_places (room_id) SELECT id FROM rooms ORDER BY slug;
INSERT INTO room_words (room_words) VALUES ('rebuild');

-- How many messages a room keeps, the latest; without a row, all.
CREATE TABLE room_retention_counts (
    room_id BLOB NOT NULL PRIMARY KEY REFERENCES rooms (id),
    messages BIGINT NOT NULL
);
