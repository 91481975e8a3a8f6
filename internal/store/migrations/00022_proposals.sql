-- +goose Up

-- Changes of documents that were planned and are not stored: what a change would create,
-- change and remove. A proposal is kept for a week.
CREATE TABLE proposals (
    -- Names the change, as Changes.Digest does.
    digest     text COLLATE "C" PRIMARY KEY,
    -- The change as it was computed at revision.
    revision   bigint      NOT NULL,
    changes    json        NOT NULL,
    -- Documents go because the input lacks them.
    pruned     boolean     NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX proposals_created ON proposals (created_at);

CREATE TABLE proposed_documents (
    proposal     text COLLATE "C" NOT NULL REFERENCES proposals ON DELETE CASCADE,
    removed      boolean          NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    api_version  text             NOT NULL,
    body         json             NOT NULL,
    workspace    text COLLATE "C" NOT NULL,
    project      text COLLATE "C" NOT NULL,
    platform     text COLLATE "C" NOT NULL,
    landing_zone text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    members      text[]           NOT NULL,
    PRIMARY KEY (proposal, kind, name)
);

-- What a proposal says of tenants: the numbers of new ones, and those on which it removes
-- what no caller named.
CREATE TABLE proposed_tenants (
    proposal text COLLATE "C" NOT NULL REFERENCES proposals ON DELETE CASCADE,
    tenant   text COLLATE "C" NOT NULL,
    -- 0 and empty for a tenant that has numbers.
    number   integer NOT NULL,
    random   text    NOT NULL,
    -- The documents give the numbers.
    documented boolean NOT NULL,
    unnamed  boolean NOT NULL,
    PRIMARY KEY (proposal, tenant)
);

-- +goose Down
DROP TABLE proposed_tenants, proposed_documents, proposals;
