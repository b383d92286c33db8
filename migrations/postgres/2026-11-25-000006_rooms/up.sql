-- What a room is about, whether it is closed to new messages, and direct rooms of several people.
-- Columns with constant defaults rewrite no row, and the release before this one writes rooms without them.

ALTER TABLE rooms ADD COLUMN topic text NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN archived boolean NOT NULL DEFAULT false;
-- For how many people a direct room is; 0 for any other room, one's own with the assistant too.
ALTER TABLE rooms ADD COLUMN direct_people integer NOT NULL DEFAULT 0;
-- The ids of those people, ascending, one after the other: one room for each set of them.
ALTER TABLE rooms ADD COLUMN direct_key bytea;
CREATE UNIQUE INDEX rooms_direct_key ON rooms (direct_key) WHERE direct_key IS NOT NULL AND deleted_at IS NULL;

-- Whether the member wants to be left alone by the room.
ALTER TABLE memberships ADD COLUMN muted boolean NOT NULL DEFAULT false;
