DROP TABLE incoming_hooks;
DROP TABLE api_tokens;
DROP INDEX users_owner;
ALTER TABLE users DROP COLUMN disabled_at;
ALTER TABLE users DROP COLUMN owner_id;
