DROP INDEX replies_ended;
ALTER TABLE replies DROP COLUMN settled_at;
