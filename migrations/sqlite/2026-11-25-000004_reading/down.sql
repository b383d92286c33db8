UPDATE memberships SET last_read_seq = 0;
DROP INDEX users_name_key;
DROP TABLE mentions;
