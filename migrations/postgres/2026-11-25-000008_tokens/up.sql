-- Bots, tokens for programs, and incoming webhooks.
-- A bot keeps a kind that the release before this one knows (`user`; `guest` for the author of a webhook's messages, whose
-- name may be another's too); that it has an owner is what makes it a bot. So the old release reads its messages.

ALTER TABLE users ADD COLUMN owner_id uuid REFERENCES users (id);
-- When a bot was removed: its messages still name it.
ALTER TABLE users ADD COLUMN disabled_at timestamptz;
CREATE INDEX users_owner_id ON users (owner_id) WHERE owner_id IS NOT NULL;

-- Its id stands where a session's does: for the sockets it opened.
CREATE TABLE api_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('read', 'write')),
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    -- Written at most once a minute.
    last_used_at timestamptz
);
CREATE INDEX api_tokens_user_id ON api_tokens (user_id);
CREATE INDEX api_tokens_expires_at ON api_tokens (expires_at) WHERE expires_at IS NOT NULL;

-- `user_id` is the webhook's own user, the author of its messages, and has its name.
CREATE TABLE incoming_hooks (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id uuid NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    created_by uuid NOT NULL REFERENCES users (id),
    secret_hash bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);
CREATE INDEX incoming_hooks_room_id ON incoming_hooks (room_id);
