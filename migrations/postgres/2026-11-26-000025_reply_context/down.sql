ALTER TABLE replies DROP COLUMN context_from;
