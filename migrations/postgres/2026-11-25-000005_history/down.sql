DROP TRIGGER messages_inserted ON messages;
DROP TRIGGER messages_updated ON messages;
DROP TRIGGER messages_deleted ON messages;
DROP FUNCTION salon_index_inserted, salon_index_updated, salon_index_deleted, salon_words;
DROP TABLE room_retention, search_backfill, message_words;
