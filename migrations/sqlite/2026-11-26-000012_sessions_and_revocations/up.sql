-- What one is signed in with, accounts that end, and the log of revocations.

-- `expires_at` is when a session ends as things stand: use moves it on, up to `ends_at`. Without one it is the end for good.
ALTER TABLE sessions ADD COLUMN ends_at BIGINT;
-- Written once in some minutes.
ALTER TABLE sessions ADD COLUMN last_seen_at BIGINT;
-- The address it was made from, and what the program called itself.
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;

-- When the account was deleted: its messages still have an author, its name stays taken. Its `kind` is then `deleted`.
ALTER TABLE users ADD COLUMN deleted_at BIGINT;
-- Deleted, and maybe still a member of rooms.
ALTER TABLE users ADD COLUMN leaving BOOLEAN NOT NULL DEFAULT 0;
CREATE INDEX users_leaving ON users (id) WHERE leaving;

-- One row: the number of the latest entry of the log.
CREATE TABLE revocation_head (
    is_only BOOLEAN NOT NULL PRIMARY KEY CHECK (is_only = 1),
    number BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO revocation_head (is_only, number) VALUES (1, 0);

-- Whose sessions are to be looked at, of a user or one. Swept after some hours.
CREATE TABLE revocations (
    number BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    user_id BLOB NOT NULL,
    session_id BLOB,
    at BIGINT NOT NULL
) WITHOUT ROWID;
