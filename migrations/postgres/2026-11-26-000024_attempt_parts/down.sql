ALTER TABLE reply_attempts DROP COLUMN answer_cost_micros;
ALTER TABLE reply_attempts DROP COLUMN answer_tokens;
ALTER TABLE reply_attempts DROP COLUMN prompt_cost_micros;
ALTER TABLE reply_attempts DROP COLUMN prompt_tokens;
