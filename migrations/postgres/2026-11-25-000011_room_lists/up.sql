-- How rooms are found, and how many messages a room keeps. The release before this one writes rooms as it did: indexes
-- follow whoever writes. It knows nothing of the new table, so it removes by days only.

-- Public rooms in the order in which they are listed.
CREATE INDEX rooms_listed ON rooms (slug COLLATE "C") WHERE visibility = 'public' AND deleted_at IS NULL;

-- Every two and every three letters in a row of what a room is found by: whatever holds a text holds those of the text.
-- `lower` of the collation C knows the letters a to z only, as every other store does.
CREATE FUNCTION salon_grams(slug text, name text, topic text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT substr(part, place, size)), '{}')
    FROM unnest(ARRAY[lower(slug COLLATE "C"), lower(name COLLATE "C"), lower(topic COLLATE "C")]) AS part,
        generate_series(1, length(part)) AS place, generate_series(2, 3) AS size
    WHERE place + size - 1 <= length(part)
$$;
CREATE INDEX rooms_grams ON rooms USING gin (salon_grams(slug, name, topic)) WITH (gin_pending_list_limit = 256)
    WHERE visibility = 'public' AND deleted_at IS NULL;

-- How many messages a room keeps, the latest; without a row, all.
CREATE TABLE room_retention_counts (
    room_id uuid PRIMARY KEY,
    messages bigint NOT NULL CHECK (messages > 0)
);
