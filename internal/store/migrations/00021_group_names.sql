-- +goose Up

-- The names of the groups of all tenants, by what platforms compare names by: a change of one
-- tenant is compared with them, and does not read the others' documents.
CREATE TABLE group_names (
    platform text COLLATE "C" NOT NULL,
    key      text COLLATE "C" NOT NULL,
    name     text NOT NULL,
    tenant   text COLLATE "C" NOT NULL,
    role     text NOT NULL,
    PRIMARY KEY (platform, key)
);
CREATE INDEX group_names_tenant ON group_names (tenant);

-- Which program computed group_names and the links of documents. 0 is none: the next change
-- reads all documents and fills them in.
ALTER TABLE installation ADD COLUMN names_version integer NOT NULL DEFAULT 0;

-- The neighbours of a change are found by these.
CREATE INDEX documents_bindings ON documents (subject) WHERE kind IN ('meshProjectUserBinding', 'meshProjectGroupBinding');
CREATE INDEX documents_members ON documents USING gin (members) WHERE kind = 'meshWorkspaceUserGroup';
CREATE INDEX documents_platform ON documents (platform, subject) WHERE kind IN ('meshTenant', 'meshLandingZone');
CREATE INDEX documents_zone ON documents (landing_zone) WHERE kind = 'meshTenant';

-- +goose Down
DROP INDEX documents_zone, documents_platform, documents_members, documents_bindings;
ALTER TABLE installation DROP COLUMN names_version;
DROP TABLE group_names;
