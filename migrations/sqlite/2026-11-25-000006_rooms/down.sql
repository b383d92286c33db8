ALTER TABLE memberships DROP COLUMN muted;
ALTER TABLE rooms DROP COLUMN direct_people;
ALTER TABLE rooms DROP COLUMN archived;
ALTER TABLE rooms DROP COLUMN topic;
