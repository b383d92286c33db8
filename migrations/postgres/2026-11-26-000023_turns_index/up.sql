-- Who was served when. While it is made, replies are read and none is written; it may be made beforehand, CONCURRENTLY.
CREATE INDEX IF NOT EXISTS replies_ended ON replies (asker_id, settled_at) WHERE settled_at IS NOT NULL;
