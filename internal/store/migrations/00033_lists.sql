-- +goose Up

-- Keys that all servers share. A lost key makes what it signed invalid.
CREATE TABLE server_keys (
    -- What the key is for.
    name       text COLLATE "C" PRIMARY KEY,
    key        bytea       NOT NULL CHECK (length(key) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Lists that callers read page by page. They live for minutes: a crash of the database may lose
-- them.
CREATE UNLOGGED TABLE lists (
    id         text COLLATE "C" PRIMARY KEY,
    -- A digest of the caller and of their rights.
    caller     bytea       NOT NULL,
    -- What the answer has beside the items, as JSON.
    rest       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX lists_caller ON lists (caller, created_at);
CREATE INDEX lists_created ON lists (created_at);
CREATE UNLOGGED TABLE list_items (
    list text COLLATE "C" NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    -- From 0.
    n    integer NOT NULL,
    item bytea   NOT NULL,
    PRIMARY KEY (list, n)
);

-- +goose Down
DROP TABLE list_items, lists, server_keys;
