DROP TABLE message_pins, message_reactions, message_edits;
ALTER TABLE messages DROP COLUMN marks;
