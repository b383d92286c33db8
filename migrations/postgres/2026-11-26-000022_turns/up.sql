-- When a reply ended, so that of those who wait for the assistant whoever was served longest ago goes first. Nullable without a
-- default rewrites no row; what ended before, and what an instance of the release before this one ends, is without it. The index
-- is a migration of its own: what this one locks is free again before the table is read.
ALTER TABLE replies ADD COLUMN settled_at timestamptz;
