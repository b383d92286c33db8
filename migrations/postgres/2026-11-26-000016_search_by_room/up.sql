-- A search goes through the newest messages of each room one is in, room by room, as far as one request may; so it needs no order over
-- all rooms. What it does not read any more goes with a later release: the one before this reads it.
-- Where there are millions of messages it may be built beforehand, beside a running server (CREATE INDEX CONCURRENTLY).
CREATE INDEX IF NOT EXISTS message_words_by_room ON message_words (room_id, created_at, seq);
