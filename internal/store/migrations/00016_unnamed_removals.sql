-- +goose Up

-- Whether the tenant has removals that no caller named: a document was absent from an input
-- that was applied with pruning. It holds until nothing is left to remove.
-- Removals that an earlier program held as the last of a group stay held.
ALTER TABLE affected_tenants ADD COLUMN unnamed boolean NOT NULL DEFAULT true;
ALTER TABLE affected_tenants ALTER COLUMN unnamed SET DEFAULT false;

-- +goose Down
ALTER TABLE affected_tenants DROP COLUMN unnamed;
