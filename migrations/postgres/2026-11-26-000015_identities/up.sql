-- Who somebody is to an organisation's sign-in, and sessions that a signed claim stands for. A new table and a column with a
-- constant default: no table is rewritten.
-- No foreign key: its check would lock `users` while they are in use. Rows are written in the transaction that makes the user.

CREATE TABLE identities (
    issuer text NOT NULL,
    -- Unique within the issuer, and never given to somebody else by it; compared byte for byte.
    subject text NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_user_id ON identities (user_id);

-- Whether what the session stands for is a claim that its holder keeps (a JWT), and not a token of ours. It ends with the claim.
ALTER TABLE sessions ADD COLUMN claimed boolean NOT NULL DEFAULT false;
