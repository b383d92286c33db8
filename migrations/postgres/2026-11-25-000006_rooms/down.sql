ALTER TABLE memberships DROP COLUMN muted;
DROP INDEX rooms_direct_key;
ALTER TABLE rooms DROP COLUMN direct_key, DROP COLUMN direct_people, DROP COLUMN archived, DROP COLUMN topic;
