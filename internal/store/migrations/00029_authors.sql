-- +goose Up

-- A program from before changes documents without naming the actors beside the tenants.
UPDATE installation SET schema_floor = 29;

-- The actors of the changes that affect the tenant and that no run has applied completely: a
-- decision about the tenant needs another user. An empty name is an unknown actor.
ALTER TABLE affected_tenants ADD COLUMN authors text[] NOT NULL DEFAULT '{}';
UPDATE affected_tenants a SET authors = ARRAY[coalesce((SELECT actor FROM revisions r WHERE r.revision = a.revision), '')];

-- The actors who planned the change.
ALTER TABLE proposals ADD COLUMN proposers text[] NOT NULL DEFAULT '{}';

-- Which actor removed the document of a platform that has removed tenants.
CREATE TABLE removed_platforms (
    platform text COLLATE "C" PRIMARY KEY,
    actor    text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
UPDATE installation SET schema_floor = 24;
DROP TABLE removed_platforms;
ALTER TABLE proposals DROP COLUMN proposers;
ALTER TABLE affected_tenants DROP COLUMN authors;
