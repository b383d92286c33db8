-- Of the most that an attempt may use, which part is for its prompt, as it is estimated, and which for an answer of the greatest
-- length: so that of one whose runner died what it read and what was saved of its text is told apart. Constant defaults rewrite no
-- row; nothing of an answer is what an instance of the release before this one began.
ALTER TABLE reply_attempts ADD COLUMN prompt_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE reply_attempts ADD COLUMN prompt_cost_micros bigint NOT NULL DEFAULT 0;
ALTER TABLE reply_attempts ADD COLUMN answer_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE reply_attempts ADD COLUMN answer_cost_micros bigint NOT NULL DEFAULT 0;
