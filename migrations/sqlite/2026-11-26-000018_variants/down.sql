ALTER TABLE replies DROP COLUMN selected;
DROP TABLE reply_variants;
