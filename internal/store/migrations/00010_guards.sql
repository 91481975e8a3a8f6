-- +goose Up

-- The generation of the documents that last touched each tenant: the change that
-- what is taken there counts for.
CREATE TABLE touched (
    tenant     text COLLATE "C" PRIMARY KEY,
    generation bigint NOT NULL
);

-- What plans take from people, one row for each account that leaves a set and for
-- each object that goes, so that all workers keep to a guard's limits together.
CREATE TABLE removals (
    tenant     text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    group_name text COLLATE "C" NOT NULL,
    role       text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    ref        text COLLATE "C" NOT NULL,
    platform   text COLLATE "C" NOT NULL,
    -- The change that asked for it first. It stays that change's, also when later
    -- ones touch the tenant.
    generation bigint      NOT NULL,
    -- False for what a limit holds: it counts for nothing yet.
    taken      boolean     NOT NULL,
    -- When a plan took it, or an activity was last about to.
    at         timestamptz NOT NULL,
    PRIMARY KEY (tenant, kind, group_name, role, name, ref)
);
CREATE INDEX removals_platform ON removals (platform, at);

-- How many removals are held: one held step may be about many people.
ALTER TABLE statuses ADD COLUMN removals integer NOT NULL DEFAULT 0;

-- Whom Rollcall ever put into a set is asked by the set.
CREATE INDEX records_object ON records (tenant, (step ->> 'object'));

-- +goose Down
DROP INDEX records_object;
ALTER TABLE statuses DROP COLUMN removals;
DROP TABLE removals, touched;
