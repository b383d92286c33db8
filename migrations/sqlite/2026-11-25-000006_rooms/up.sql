-- What a room is about, whether it is closed to new messages, and direct rooms of several people.

ALTER TABLE rooms ADD COLUMN topic TEXT NOT NULL DEFAULT '';
ALTER TABLE rooms ADD COLUMN archived BOOLEAN NOT NULL DEFAULT 0;
-- For how many people a direct room is; 0 for any other room, one's own with the assistant too. `direct_key` holds
-- their ids, ascending, one after the other.
ALTER TABLE rooms ADD COLUMN direct_people INTEGER NOT NULL DEFAULT 0;

-- Whether the member wants to be left alone by the room.
ALTER TABLE memberships ADD COLUMN muted BOOLEAN NOT NULL DEFAULT 0;
