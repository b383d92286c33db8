-- Bots, tokens for programs, and incoming webhooks. Whoever has an owner is a bot.

ALTER TABLE users ADD COLUMN owner_id BLOB;
-- When a bot was removed: its messages still name it.
ALTER TABLE users ADD COLUMN disabled_at BIGINT;
CREATE INDEX users_owner ON users (owner_id) WHERE owner_id IS NOT NULL;

-- Its id stands where a session's does: for the sockets it opened.
CREATE TABLE api_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    -- Written at most once a minute.
    last_used_at BIGINT
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);
CREATE INDEX api_tokens_expiry ON api_tokens (expires_at) WHERE expires_at IS NOT NULL;

-- `user_id` is the webhook's own user, the author of its messages, and has its name.
CREATE TABLE incoming_hooks (
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB NOT NULL REFERENCES rooms (id),
    user_id BLOB NOT NULL UNIQUE REFERENCES users (id),
    created_by BLOB NOT NULL REFERENCES users (id),
    secret_hash BLOB NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX incoming_hooks_room ON incoming_hooks (room_id);
