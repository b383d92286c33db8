DROP TABLE spending;
DROP TABLE reply_attempts;
