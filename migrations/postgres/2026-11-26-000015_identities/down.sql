-- What stands for a claim would otherwise be an ordinary session.
DELETE FROM sessions WHERE claimed;
ALTER TABLE sessions DROP COLUMN claimed;
DROP TABLE identities;
