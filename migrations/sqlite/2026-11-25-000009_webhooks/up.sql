-- Outgoing webhooks. What one has to deliver is read from the room's history above its `version`, so that a message costs nothing
-- more to write. Secrets stand here as they are: requests are signed with them.

CREATE TABLE outgoing_webhooks (
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    created_by BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    url TEXT NOT NULL,
    -- 1: message, 2: message.changed, 4: room.changed.
    events INTEGER NOT NULL,
    secret TEXT NOT NULL,
    former_secret TEXT,
    former_until BIGINT,
    enabled BOOLEAN NOT NULL DEFAULT 1,
    -- Why Salon itself switched it off.
    disabled_reason TEXT CHECK (disabled_reason IN ('failing', 'gone')),
    -- Delivered up to here; messages up to `seen_seq` are known to the receiver, but for the replies in `awaited` (JSON).
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    seen_seq BIGINT NOT NULL,
    awaited TEXT NOT NULL DEFAULT '[]',
    -- Where the delivery ends that was begun and not confirmed: the next attempt ends there too.
    sending_to BIGINT,
    next_at BIGINT NOT NULL,
    lease_owner BLOB,
    lease_until BIGINT,
    attempt BIGINT NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since BIGINT
) WITHOUT ROWID;
CREATE INDEX outgoing_webhooks_room_id ON outgoing_webhooks (room_id);

CREATE TABLE outgoing_webhook_attempts (
    webhook_id BLOB NOT NULL REFERENCES outgoing_webhooks (id) ON DELETE CASCADE,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    from_version BIGINT NOT NULL,
    to_version BIGINT NOT NULL,
    events INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    detail TEXT NOT NULL,
    took_ms INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, attempt)
) WITHOUT ROWID;
