DROP INDEX users_look;
ALTER TABLE users DROP COLUMN look;
