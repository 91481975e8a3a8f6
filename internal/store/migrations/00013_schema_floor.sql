-- +goose Up

-- The schema floor: the oldest program that may run on this database. A program is
-- named by the number of its newest migration. See "Schema floor" in ../schema.go.
ALTER TABLE installation ADD COLUMN schema_floor bigint NOT NULL DEFAULT 0;

-- Programs from before this migration run on their own version only.
UPDATE installation SET schema_floor = 13;

-- +goose Down
ALTER TABLE installation DROP COLUMN schema_floor;
