-- +goose Up

-- Bindings of one role to several people can be objects each, and so can other
-- people's bindings: the name tells them apart.
ALTER TABLE owned ADD COLUMN name text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE owned DROP CONSTRAINT owned_pkey;
ALTER TABLE owned ADD PRIMARY KEY (tenant, kind, group_name, role, name);

-- +goose Down
DELETE FROM owned WHERE name <> '';
ALTER TABLE owned DROP CONSTRAINT owned_pkey;
ALTER TABLE owned ADD PRIMARY KEY (tenant, kind, group_name, role);
ALTER TABLE owned DROP COLUMN name;
