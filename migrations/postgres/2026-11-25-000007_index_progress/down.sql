CREATE TRIGGER messages_inserted AFTER INSERT ON messages
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION salon_index_inserted();
-- What was not indexed yet is of the past now.
INSERT INTO search_backfill (room_id, below)
SELECT h.room_id, h.last_seq + 1 FROM room_heads h LEFT JOIN search_progress p ON p.room_id = h.room_id
WHERE h.last_seq > coalesce(p.indexed, 0)
ON CONFLICT (room_id) DO UPDATE SET below = greatest(search_backfill.below, excluded.below);
DROP TABLE search_progress;
