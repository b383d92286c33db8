DROP INDEX users_admin;
DROP TABLE audit_log;
