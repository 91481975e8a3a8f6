-- +goose Up

-- Digests (SHA-256) of tokens for administrators of an installation that has no policy.
CREATE TABLE bootstrap_tokens (
    digest     bytea       PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- Whether commands may change the database without a server: the last row counts. Without one
-- they may.
CREATE TABLE direct_modes (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    allowed boolean     NOT NULL,
    reason  text        NOT NULL CHECK (reason <> ''),
    actor   text        NOT NULL,
    claim   text        NOT NULL DEFAULT '',
    at      timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON direct_modes FOR EACH ROW EXECUTE FUNCTION keep_decided();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON direct_modes EXECUTE FUNCTION keep_decided();

-- +goose Down
DROP TABLE direct_modes, bootstrap_tokens;
