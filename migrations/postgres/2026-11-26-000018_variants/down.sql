-- The release before this one knows one reply of a message.
DELETE FROM replies r USING replies o WHERE o.room_id = r.room_id AND o.prompt_seq = r.prompt_seq AND o.seq < r.seq;
ALTER TABLE replies
    DROP CONSTRAINT replies_room_id_prompt_seq_assistant_id_key,
    ADD UNIQUE (room_id, prompt_seq),
    DROP COLUMN selected;
DROP TABLE room_assistants;
DROP TABLE reply_variants;
