-- What one is signed in with, accounts that end, and the log of revocations that every instance reads.
-- Columns without defaults, or with constant ones, rewrite no row. `sessions` before `users`: what reads both names them so.

-- `expires_at` is when a session ends as things stand: use moves it on, up to `ends_at`. Without one (made by the release
-- before this) it is the end for good.
ALTER TABLE sessions
    ADD COLUMN ends_at timestamptz,
    -- Written once in some minutes.
    ADD COLUMN last_seen_at timestamptz,
    -- The address it was made from, and what the program called itself.
    ADD COLUMN address text,
    ADD COLUMN user_agent text;

ALTER TABLE users
    -- When the account was deleted: its messages still have an author, its name stays taken.
    ADD COLUMN deleted_at timestamptz,
    -- Deleted, and maybe still a member of rooms.
    ADD COLUMN leaving boolean NOT NULL DEFAULT false;
CREATE INDEX users_leaving ON users (id) WHERE leaving;

-- One row. Whoever adds to the log holds its lock until the commit: numbers become visible in their order.
CREATE TABLE revocation_head (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    number bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO revocation_head (number) VALUES (0);

-- Whose sessions are to be looked at, of a user or one. Swept after some hours.
CREATE TABLE revocations (
    number bigint PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('session', 'sessions', 'password', 'role', 'disabled', 'deleted')),
    user_id uuid NOT NULL,
    session_id uuid,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
