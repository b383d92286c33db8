DROP TABLE room_retention_counts;
DROP TRIGGER rooms_inserted;
DROP TRIGGER rooms_updated;
DROP TRIGGER rooms_deleted;
DROP TABLE room_words;
DROP VIEW room_texts;
DROP TABLE room_places;
