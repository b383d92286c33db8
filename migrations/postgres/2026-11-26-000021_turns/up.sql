-- When a reply ended, so that of those who wait for the assistant whoever was served longest ago goes first. Nullable without a
-- default rewrites no row; what ended before, and what an instance of the release before this one ends, is without it.
ALTER TABLE replies ADD COLUMN settled_at timestamptz;
CREATE INDEX replies_ended ON replies (asker_id, settled_at) WHERE settled_at IS NOT NULL;
