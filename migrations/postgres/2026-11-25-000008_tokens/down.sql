DROP TABLE incoming_hooks;
DROP TABLE api_tokens;
DROP INDEX users_owner_id;
ALTER TABLE users DROP COLUMN disabled_at, DROP COLUMN owner_id;
