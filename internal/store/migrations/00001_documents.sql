-- +goose Up

-- One row about this database as a whole.
CREATE TABLE installation (
    one               boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Marks on platforms carry it: 10 characters, never changed.
    id                text   NOT NULL,
    -- Counts the applies that changed any document.
    generation        bigint NOT NULL DEFAULT 0,
    -- Counts the changes of what platforms are served.
    platforms_version bigint NOT NULL DEFAULT 0
);
INSERT INTO installation (id) VALUES (substr(replace(gen_random_uuid()::text, '-', ''), 1, 10));

-- Names compare byte by byte, so that the order is the same on every server.
CREATE TABLE documents (
    kind         text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    api_version  text             NOT NULL,
    -- json, not jsonb: it keeps the canonical text byte for byte.
    body         json             NOT NULL,
    -- What the body refers to; empty where the kind has no such field.
    workspace    text COLLATE "C" NOT NULL,
    project      text COLLATE "C" NOT NULL,
    platform     text COLLATE "C" NOT NULL,
    landing_zone text COLLATE "C" NOT NULL,
    -- A binding's subject; a user group's own name, by which bindings call it.
    subject      text COLLATE "C" NOT NULL,
    members      text[]           NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE INDEX documents_project ON documents (workspace, project, kind);
CREATE INDEX documents_groups ON documents (subject) WHERE kind = 'meshWorkspaceUserGroup';

-- What apply drew for each tenant. It outlives the document, with the tombstone.
CREATE TABLE drawn (
    tenant   text COLLATE "C" PRIMARY KEY,
    platform text COLLATE "C" NOT NULL,
    number   integer NOT NULL CHECK (number > 0),
    random   text    NOT NULL,
    UNIQUE (platform, number)
);

-- The last number drawn on each platform. It never goes back.
CREATE TABLE counters (
    platform text COLLATE "C" PRIMARY KEY,
    last     integer NOT NULL
);

-- A tenant that was removed and is not cleaned up yet, with the documents that
-- cleaning up needs, as they were then.
CREATE TABLE tombstones (
    tenant       text COLLATE "C" PRIMARY KEY,
    workspace    text COLLATE "C" NOT NULL,
    project      text COLLATE "C" NOT NULL,
    platform     text COLLATE "C" NOT NULL,
    landing_zone text COLLATE "C" NOT NULL,
    tenant_doc   json NOT NULL,
    project_doc  json NOT NULL,
    platform_doc json NOT NULL,
    zone_doc     json,
    removed_at   timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE tombstones, counters, drawn, documents, installation;
