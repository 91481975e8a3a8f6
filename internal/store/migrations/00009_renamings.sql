-- +goose Up

-- How groups got other names by other groups: a row for each state that a run
-- brought a renaming to. The first one to write a state sets its time.
CREATE TABLE renamings (
    run_id     text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    state      text        NOT NULL CHECK (state IN ('building', 'passed', 'done', 'compensated', 'waiting', 'replanned')),
    tenant     text COLLATE "C" NOT NULL,
    -- The names of the old group and the new one.
    from_group text        NOT NULL,
    to_group   text        NOT NULL,
    mode       text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, id, state)
);
CREATE INDEX renamings_tenant ON renamings (tenant, at);

-- +goose Down
DROP TABLE renamings;
