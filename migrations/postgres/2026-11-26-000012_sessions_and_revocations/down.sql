DROP TABLE revocations;
DROP TABLE revocation_head;
ALTER TABLE sessions DROP COLUMN ends_at, DROP COLUMN last_seen_at, DROP COLUMN address, DROP COLUMN user_agent;
ALTER TABLE users DROP COLUMN deleted_at, DROP COLUMN leaving;
