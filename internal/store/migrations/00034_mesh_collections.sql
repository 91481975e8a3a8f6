-- +goose Up

-- Collections of the objects that a caller imports: what a later import omits is removed.
CREATE TABLE mesh_collections (
    name        text COLLATE "C" PRIMARY KEY,
    owner       text COLLATE "C" NOT NULL,
    description text NOT NULL,
    -- The caller who created it: no other imports into it.
    actor       text COLLATE "C" NOT NULL
);

-- An object is in the collection that imported it last. Its document may be gone since.
CREATE TABLE mesh_collection_objects (
    kind       text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL REFERENCES mesh_collections,
    PRIMARY KEY (kind, name)
);
CREATE INDEX mesh_collection_objects_collection ON mesh_collection_objects (collection);

-- +goose Down
DROP TABLE mesh_collection_objects;
DROP TABLE mesh_collections;
