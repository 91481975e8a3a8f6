-- +goose Up

-- The last public keys of issuers of tokens, so that servers can start while an issuer is
-- down.
CREATE TABLE issuer_keys (
    -- The claim iss of the issuer's tokens.
    issuer      text COLLATE "C" PRIMARY KEY,
    -- A JWKS (RFC 7517) as the issuer wrote it.
    jwks        bytea       NOT NULL,
    -- By the clock of the server that fetched the keys.
    fetched_at  timestamptz NOT NULL,
    fresh_until timestamptz NOT NULL
);

-- +goose Down
DROP TABLE issuer_keys;
