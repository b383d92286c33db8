-- The release before this one knows one reply of a message.
DELETE FROM replies r USING replies o WHERE o.room_id = r.room_id AND o.prompt_seq = r.prompt_seq AND o.seq < r.seq;
DROP INDEX replies_prompt;
ALTER TABLE replies
    ADD UNIQUE (room_id, prompt_seq),
    DROP COLUMN selected;
DROP TABLE room_assistants;
DROP TABLE reply_variants;
