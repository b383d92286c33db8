-- The oldest message that the attempt which writes a reply was told of, where older ones were left out of its prompt: whoever comes
-- while it is written is told so, and its message keeps it when its runner dies. Nullable without a default rewrites no row.
ALTER TABLE replies ADD COLUMN context_from BIGINT;
