-- Outgoing webhooks. What one has to deliver is read from the room's history above its `version`, so that a message costs nothing
-- more to write. Secrets stand here as they are: requests are signed with them.

CREATE TABLE outgoing_webhooks (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    url text NOT NULL,
    -- 1: message, 2: message.changed, 4: room.changed.
    events integer NOT NULL,
    secret text NOT NULL,
    former_secret text,
    former_until timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    -- Why Salon itself switched it off.
    disabled_reason text CHECK (disabled_reason IN ('failing', 'gone')),
    -- Delivered up to here; messages up to `seen_seq` are known to the receiver, but for the replies in `awaited`.
    epoch bigint NOT NULL,
    version bigint NOT NULL,
    seen_seq bigint NOT NULL,
    awaited bigint[] NOT NULL DEFAULT '{}',
    -- Where the delivery ends that was begun and not confirmed: the next attempt ends there too.
    sending_to bigint,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_owner uuid,
    lease_until timestamptz,
    attempt bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz
) WITH (fillfactor = 50);
CREATE INDEX outgoing_webhooks_room_id ON outgoing_webhooks (room_id);

CREATE TABLE outgoing_webhook_attempts (
    webhook_id uuid NOT NULL REFERENCES outgoing_webhooks (id) ON DELETE CASCADE,
    attempt bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_version bigint NOT NULL,
    to_version bigint NOT NULL,
    events integer NOT NULL,
    outcome text NOT NULL,
    status integer,
    detail text NOT NULL,
    took_ms integer NOT NULL,
    PRIMARY KEY (webhook_id, attempt)
);
