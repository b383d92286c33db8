DROP INDEX replies_ended;
