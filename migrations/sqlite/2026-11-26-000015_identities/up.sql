-- Who somebody is to an organisation's sign-in, and sessions that a signed claim stands for.

CREATE TABLE identities (
    issuer TEXT NOT NULL,
    -- Unique within the issuer, and never given to somebody else by it; compared byte for byte.
    subject TEXT NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
) WITHOUT ROWID;
CREATE INDEX identities_user_id ON identities (user_id);

-- Whether what the session stands for is a claim that its holder keeps (a JWT), and not a token of ours. It ends with the claim.
ALTER TABLE sessions ADD COLUMN claimed BOOLEAN NOT NULL DEFAULT 0;
