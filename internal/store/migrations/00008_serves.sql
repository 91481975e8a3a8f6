-- +goose Up

-- The project role whose people a group of ours holds: by it the group is known
-- again under another name. Empty for what is no group, and until it is known.
ALTER TABLE owned ADD COLUMN serves text COLLATE "C" NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE owned DROP COLUMN serves;
