DROP TABLE room_retention_counts;
DROP INDEX rooms_grams;
DROP FUNCTION salon_grams;
DROP INDEX rooms_listed;
