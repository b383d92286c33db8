-- Of those who wait for the assistant whoever was served longest ago goes first.
CREATE INDEX replies_ended ON replies (asker_id, settled_at) WHERE settled_at IS NOT NULL;
