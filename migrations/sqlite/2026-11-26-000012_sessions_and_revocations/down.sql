DROP TABLE revocations;
DROP TABLE revocation_head;
DROP INDEX users_leaving;
ALTER TABLE users DROP COLUMN leaving;
ALTER TABLE users DROP COLUMN deleted_at;
ALTER TABLE sessions DROP COLUMN user_agent;
ALTER TABLE sessions DROP COLUMN address;
ALTER TABLE sessions DROP COLUMN last_seen_at;
ALTER TABLE sessions DROP COLUMN ends_at;
