-- What was done to accounts, rights and rooms, and by whom. A row outlives what it tells of.

CREATE TABLE audit_log (
    -- Ordered by time: pages, `since` and the sweep go by it.
    id BLOB NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    act TEXT NOT NULL,
    -- The code of a refusal; none for what was done.
    outcome TEXT,
    way TEXT NOT NULL CHECK (way IN ('http', 'socket', 'command', 'server')),
    address TEXT,
    who BLOB,
    whom BLOB,
    -- The slug: it never changes and is never used again.
    room TEXT,
    detail TEXT NOT NULL DEFAULT '',
    -- How often, where one row stands for many.
    times INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX audit_log_who ON audit_log (who) WHERE who IS NOT NULL;
CREATE INDEX audit_log_whom ON audit_log (whom) WHERE whom IS NOT NULL;
CREATE INDEX audit_log_act ON audit_log (act);
