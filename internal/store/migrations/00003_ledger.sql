-- +goose Up

-- One row for each step of each pass of each run, however often it was tried.
CREATE TABLE records (
    run_id      text COLLATE "C" NOT NULL,
    pass        integer          NOT NULL,
    step_id     text COLLATE "C" NOT NULL,
    tenant      text COLLATE "C" NOT NULL,
    workflow_id text NOT NULL,
    digest      text NOT NULL,
    actor       text NOT NULL,
    cause       text NOT NULL,
    step        json NOT NULL,
    attempts    integer NOT NULL DEFAULT 1,
    intended_at timestamptz NOT NULL DEFAULT now(),
    -- The answer of the last attempt; done_at is null until there was one.
    done_at     timestamptz,
    ref         text NOT NULL DEFAULT '',
    error       text NOT NULL DEFAULT '',
    calls       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, pass, step_id)
);
CREATE INDEX records_tenant ON records (tenant, intended_at);

-- The objects that this installation made, or set out to make.
CREATE TABLE owned (
    tenant     text COLLATE "C" NOT NULL,
    platform   text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    group_name text COLLATE "C" NOT NULL,
    role       text COLLATE "C" NOT NULL,
    ref        text NOT NULL,
    state      text NOT NULL CHECK (state IN ('intended', 'made')),
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, kind, group_name, role)
);
CREATE INDEX owned_platform ON owned (platform);

-- +goose Down
DROP TABLE owned, records;
