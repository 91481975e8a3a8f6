-- +goose Up

-- The bindings of a user or a user group to workspaces: the rights of each request of a server
-- depend on them.
CREATE INDEX documents_workspace_bindings ON documents (subject) WHERE kind IN ('meshWorkspaceUserBinding', 'meshWorkspaceGroupBinding');

-- +goose Down
DROP INDEX documents_workspace_bindings;
