-- +goose Up

-- When the plan's platform was observed last; a plan that is made again is equal and keeps its row.
ALTER TABLE plans ADD COLUMN observed_at timestamptz NOT NULL DEFAULT now();
UPDATE plans SET observed_at = created_at;

-- The last successful observation of the tenant: when it began, the digest of its plan (empty
-- if nothing differed), the revision of the documents that were compared, and the digest of
-- the desired access. A run that could not read the platform leaves it. A status of an
-- earlier program that left nothing to add is an observation of the time it was stored.
ALTER TABLE statuses
    ADD COLUMN observed_at timestamptz,
    ADD COLUMN observed_digest text NOT NULL DEFAULT '',
    ADD COLUMN observed_revision bigint NOT NULL DEFAULT 0,
    ADD COLUMN observed_desired text NOT NULL DEFAULT '';
UPDATE statuses SET observed_at = at, observed_digest = digest, observed_revision = revision
    WHERE outcome IN ('converged', 'changed', 'waiting');

-- +goose Down
ALTER TABLE statuses
    DROP COLUMN observed_at,
    DROP COLUMN observed_digest,
    DROP COLUMN observed_revision,
    DROP COLUMN observed_desired;
ALTER TABLE plans DROP COLUMN observed_at;
