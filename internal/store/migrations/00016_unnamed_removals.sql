-- +goose Up

-- Whether the tenant has removals that no caller named: a document was absent from an input
-- that was applied with pruning. It holds until nothing is left to remove.
ALTER TABLE affected_tenants ADD COLUMN unnamed boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE affected_tenants DROP COLUMN unnamed;
