-- +goose Up

-- What somebody decided about removals that a guard holds: one row for each
-- account that leaves a set, and for each object that goes.
CREATE TABLE decisions (
    tenant     text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    group_name text COLLATE "C" NOT NULL,
    role       text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    ref        text COLLATE "C" NOT NULL,
    -- Open is for what was not decided when a part of what was held was.
    verdict    text        NOT NULL CHECK (verdict IN ('approved', 'rejected', 'open')),
    -- Who says to be the approver: self-asserted, until there are logins.
    approver   text        NOT NULL,
    reason     text        NOT NULL,
    digest     text        NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, kind, group_name, role, name, ref)
);

-- +goose Down
DROP TABLE decisions;
