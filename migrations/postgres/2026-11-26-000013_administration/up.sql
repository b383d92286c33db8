-- What was done to accounts, rights and rooms, and by whom. A new table only; an instance of the release before writes nothing
-- into it. No foreign keys: a row outlives what it tells of.

CREATE TABLE audit_log (
    -- Ordered by time: pages, `since` and the sweep go by it.
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    act text NOT NULL,
    -- The code of a refusal; none for what was done.
    outcome text,
    way text NOT NULL CHECK (way IN ('http', 'socket', 'command', 'server')),
    address text,
    who uuid,
    whom uuid,
    -- The slug: it never changes and is never used again.
    room text,
    detail text NOT NULL DEFAULT '',
    -- How often, where one row stands for many.
    times integer NOT NULL DEFAULT 1
);
CREATE INDEX audit_log_who ON audit_log (who, id) WHERE who IS NOT NULL;
CREATE INDEX audit_log_whom ON audit_log (whom, id) WHERE whom IS NOT NULL;
CREATE INDEX audit_log_act ON audit_log (act, id);

-- Those few are looked for whenever somebody's account changes.
CREATE INDEX users_admin ON users (id) WHERE admin;
