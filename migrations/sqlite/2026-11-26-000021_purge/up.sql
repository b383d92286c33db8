-- When all that a deleted room held was removed. Its row stays: its slug is never used again. The index holds only rooms
-- that still have to be removed.
ALTER TABLE rooms ADD COLUMN purged_at BIGINT;
CREATE INDEX rooms_to_purge ON rooms (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
-- What goes with the messages of a room is found by the room.
CREATE INDEX mentions_room ON mentions (room_id, seq);
