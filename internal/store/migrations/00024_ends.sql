-- +goose Up

-- An earlier program grants access after the end of a binding.
UPDATE installation SET schema_floor = 24;

-- When a binding stops granting access, NULL without an end; and whether the revision of the
-- documents counts that end already.
ALTER TABLE documents
    ADD COLUMN ends_at timestamptz,
    ADD COLUMN ended boolean NOT NULL DEFAULT false;
CREATE INDEX documents_ends ON documents (ends_at) WHERE ends_at IS NOT NULL AND NOT ended;

-- Whether the tenant needs a run because bindings ended, and none was started since.
ALTER TABLE affected_tenants ADD COLUMN run_pending boolean NOT NULL DEFAULT false;
CREATE INDEX affected_tenants_pending ON affected_tenants (tenant) WHERE run_pending;

-- When the workflow that ends bindings looks at the database next; NULL if it does not run.
ALTER TABLE installation ADD COLUMN ends_checked_at timestamptz;

-- +goose Down
UPDATE installation SET schema_floor = 23;
ALTER TABLE installation DROP COLUMN ends_checked_at;
ALTER TABLE affected_tenants DROP COLUMN run_pending;
ALTER TABLE documents DROP COLUMN ends_at, DROP COLUMN ended;
