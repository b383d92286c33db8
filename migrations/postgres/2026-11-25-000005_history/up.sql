-- The words of every message that can be found, beside the messages: kept right by triggers, whoever writes, also the release
-- before this one. Messages that are there already are indexed by a job, from `search_backfill`.

CREATE TABLE message_words (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    created_at timestamptz NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (room_id, seq)
);
-- New entries wait in a list of at most 1 MB, so that a message pays for a place in it and not for each of its words.
CREATE INDEX message_words_words ON message_words USING gin (words) WITH (fastupdate = on, gin_pending_list_limit = 1024);
-- What is found comes newest first: a frequent word is met soon on this way, a rare one by the other index. The search tries both.
CREATE INDEX message_words_newest ON message_words (created_at, room_id, seq);

CREATE TABLE search_backfill (
    room_id uuid PRIMARY KEY,
    -- Messages below this one are still to be indexed.
    below bigint NOT NULL
);

-- How long a room keeps its messages; without a row, for ever.
CREATE TABLE room_retention (
    room_id uuid PRIMARY KEY,
    days integer NOT NULL CHECK (days > 0)
);

-- Letters and digits are words; whatever the parser would read into dots, hyphens and slashes (hosts, paths, numbers) is
-- none. Case is folded by Unicode where the server can, whatever the database's locale.
DO $$
DECLARE
    marks text := '-./:@_+<>&~“”‘’„«»–—…·、。，！？「」';
    folded text := format('translate(body, %L, %L)', marks, repeat(' ', length(marks)));
BEGIN
    SELECT format('lower(%s COLLATE %I)', folded, collname) INTO folded
    FROM (
        SELECT collname FROM pg_collation
        WHERE collname IN ('pg_c_utf8', 'und-x-icu') AND collnamespace = 'pg_catalog'::regnamespace
        UNION ALL SELECT 'default'
    ) known
    ORDER BY collname = 'pg_c_utf8' DESC, collname = 'und-x-icu' DESC
    LIMIT 1;
    EXECUTE format(
        'CREATE FUNCTION salon_words(body text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE '
        'AS %L', format('SELECT to_tsvector(''simple''::regconfig, %s)', folded)
    );
END
$$;

CREATE FUNCTION salon_index_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_words (room_id, seq, created_at, words)
    SELECT room_id, seq, created_at, salon_words(body) FROM written
    WHERE body <> '' AND deleted_at IS NULL AND state <> 'queued';
    RETURN NULL;
END
$$;
CREATE FUNCTION salon_index_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.body <> '' AND new.deleted_at IS NULL AND new.state <> 'queued' THEN
        INSERT INTO message_words (room_id, seq, created_at, words)
        VALUES (new.room_id, new.seq, new.created_at, salon_words(new.body))
        ON CONFLICT (room_id, seq) DO UPDATE SET words = excluded.words;
    ELSE
        DELETE FROM message_words WHERE room_id = new.room_id AND seq = new.seq;
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION salon_index_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM message_words w USING removed WHERE w.room_id = removed.room_id AND w.seq = removed.seq;
    RETURN NULL;
END
$$;

CREATE TRIGGER messages_inserted AFTER INSERT ON messages
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION salon_index_inserted();
CREATE TRIGGER messages_updated AFTER UPDATE OF body, state, deleted_at ON messages FOR EACH ROW
    WHEN (old.body IS DISTINCT FROM new.body OR old.state IS DISTINCT FROM new.state
        OR old.deleted_at IS DISTINCT FROM new.deleted_at)
    EXECUTE FUNCTION salon_index_updated();
CREATE TRIGGER messages_deleted AFTER DELETE ON messages
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION salon_index_deleted();

-- Once the triggers are there nobody is in the middle of writing: what is below these is all there was before them.
INSERT INTO search_backfill (room_id, below) SELECT room_id, last_seq + 1 FROM room_heads WHERE last_seq > 0;
