ALTER TABLE replies DROP COLUMN settled_at;
