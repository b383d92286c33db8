DROP TABLE message_pins;
DROP TABLE message_reactions;
DROP TABLE message_edits;
ALTER TABLE messages DROP COLUMN marks;
