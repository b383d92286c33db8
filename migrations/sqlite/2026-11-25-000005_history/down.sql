DROP TABLE room_retention;
DROP TRIGGER messages_inserted;
DROP TRIGGER messages_updated;
DROP TRIGGER messages_deleted;
DROP TABLE message_words;
DROP VIEW message_texts;
DROP TABLE message_places;
