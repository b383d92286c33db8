DROP INDEX rooms_to_purge;
ALTER TABLE rooms DROP COLUMN purged_at;
