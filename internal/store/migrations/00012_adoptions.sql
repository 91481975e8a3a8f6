-- +goose Up

-- Groups on platforms that somebody told Rollcall to take over.
CREATE TABLE adoptions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant     text COLLATE "C" NOT NULL,
    group_name text COLLATE "C" NOT NULL,
    -- The group's id on the platform: another group of the name is not meant.
    ref        text COLLATE "C" NOT NULL,
    -- Who says to have asked for it: self-asserted, until there are logins.
    adopter    text NOT NULL,
    reason     text NOT NULL,
    -- The plan that showed what it changes.
    digest     text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    -- Null while the group is still to be taken over.
    ended_at   timestamptz,
    ended      text CHECK (ended IN ('adopted', 'gone', 'unwanted', 'replaced')),
    CHECK ((ended_at IS NULL) = (ended IS NULL))
);
CREATE UNIQUE INDEX adoptions_open ON adoptions (tenant, group_name) WHERE ended_at IS NULL;
CREATE INDEX adoptions_tenant ON adoptions (tenant, at);

-- Remarks that held once, for as long as store.RemarksKept says.
CREATE TABLE ended_remarks (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   text COLLATE "C" NOT NULL,
    code     text COLLATE "C" NOT NULL,
    object   text NOT NULL,
    text     text NOT NULL,
    since    timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ended_remarks_tenant ON ended_remarks (tenant, ended_at);
CREATE INDEX ended_remarks_at ON ended_remarks (ended_at);

-- +goose Down
DROP TABLE ended_remarks, adoptions;
