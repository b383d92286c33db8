DROP INDEX message_words_by_room;
