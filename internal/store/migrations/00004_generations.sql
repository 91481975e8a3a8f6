-- +goose Up

-- When each generation of the documents was stored: the beginning of the time
-- that a change takes to reach the platforms.
CREATE TABLE generations (
    generation bigint PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE generations;
