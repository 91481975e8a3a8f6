-- +goose Up

-- The subject of a user is the search key of the euid (internal/identity), by which users of
-- one account are found. Go computes the keys of euids beyond ASCII: Migrate fills in those
-- that this statement leaves empty. In the collation "C", upper case is that of ASCII, whatever
-- the language of the database: in Turkish, i becomes a dotted capital I.
UPDATE documents SET subject = upper(trim(body -> 'spec' ->> 'euid') COLLATE "C")
	WHERE kind = 'meshUser' AND body -> 'spec' ->> 'euid' COLLATE "C" ~ '^[ -~]+$';
CREATE INDEX documents_users ON documents (subject) WHERE kind = 'meshUser';

-- How an account that the platform has differs from one that it did not find.
ALTER TABLE lookups ADD COLUMN similar_by text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE lookups DROP COLUMN similar_by;
DROP INDEX documents_users;
UPDATE documents SET subject = '' WHERE kind = 'meshUser';
