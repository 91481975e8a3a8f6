-- +goose Up

-- Requests with an idempotency key, for a day: a repeated one gets the first answer.
CREATE TABLE idempotent_requests (
    -- Digests of the caller and of the key.
    caller     bytea       NOT NULL,
    key        bytea       NOT NULL,
    -- A digest of the method and the body.
    request    bytea       NOT NULL,
    -- The random name of the attempt that runs, or that has answered.
    attempt    text COLLATE "C" NOT NULL,
    -- A running attempt extends it: one that does not has crashed.
    alive_until timestamptz NOT NULL,
    -- Encrypted with the key, which is not stored. NULL while the attempt runs.
    answer     bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotent_requests_created ON idempotent_requests (created_at);

-- +goose Down
DROP TABLE idempotent_requests;
