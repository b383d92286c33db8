-- The release before this one knows one reply of a message.
DELETE FROM reply_chunks WHERE EXISTS (
    SELECT 1 FROM replies r JOIN replies o ON o.room_id = r.room_id AND o.prompt_seq = r.prompt_seq AND o.seq < r.seq
    WHERE r.room_id = reply_chunks.room_id AND r.seq = reply_chunks.seq);
DELETE FROM replies WHERE EXISTS (
    SELECT 1 FROM replies o
    WHERE o.room_id = replies.room_id AND o.prompt_seq = replies.prompt_seq AND o.seq < replies.seq);
DROP INDEX replies_prompt;
CREATE UNIQUE INDEX replies_prompt ON replies (room_id, prompt_seq);
ALTER TABLE replies DROP COLUMN selected;
DROP TABLE room_assistants;
DROP TABLE reply_variants;
