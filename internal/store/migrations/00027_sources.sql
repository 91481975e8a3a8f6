-- +goose Up

-- Objects and fields belong to a source: empty are the documents that callers apply.
-- field_sources has the fields that belong to another source than the object, by their path:
-- {"spec.euid": {"source": "sign-in:corp", "since": "2026-05-04T10:00:00Z"}}.
ALTER TABLE documents
    ADD COLUMN source        text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN field_sources jsonb CHECK (jsonb_typeof(field_sources) = 'object' AND field_sources <> '{}');
ALTER TABLE proposed_documents
    ADD COLUMN source        text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN field_sources jsonb CHECK (jsonb_typeof(field_sources) = 'object' AND field_sources <> '{}');

-- +goose Down
ALTER TABLE proposed_documents DROP COLUMN source, DROP COLUMN field_sources;
ALTER TABLE documents DROP COLUMN source, DROP COLUMN field_sources;
