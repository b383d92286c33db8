DROP INDEX mentions_room;
DROP INDEX rooms_to_purge;
ALTER TABLE rooms DROP COLUMN purged_at;
