-- What a name looks like (UTS #39): nobody takes a name that passes for somebody else's. Guests may share names, so theirs have
-- none. SQL cannot tell a look: it is written with each new name, and for older ones when the database is opened.
ALTER TABLE users ADD COLUMN look TEXT;
CREATE UNIQUE INDEX users_look ON users (look) WHERE look IS NOT NULL;
