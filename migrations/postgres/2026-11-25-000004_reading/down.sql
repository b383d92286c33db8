DROP INDEX users_any_name_key;
DROP TABLE mentions;
UPDATE memberships SET last_read_seq = 0;
