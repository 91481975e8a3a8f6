-- +goose Up

-- What platforms answered about accounts that they did not find, or that cannot be granted
-- anything now. An answer serves the run that asked for it; those that were found are in
-- accounts.
CREATE TABLE lookups (
    platform  text        NOT NULL,
    attribute text        NOT NULL,
    name      text        NOT NULL,
    answer    text        NOT NULL,
    refs      text[]      NOT NULL,
    answered_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (platform, attribute, name)
);
CREATE INDEX lookups_answered ON lookups (answered_at);

-- A sweep reads the tenants of a platform shard by shard.
CREATE INDEX documents_tenants ON documents (platform, workspace, project) WHERE kind = 'meshTenant';

-- +goose Down
DROP INDEX documents_tenants;
DROP TABLE lookups;
