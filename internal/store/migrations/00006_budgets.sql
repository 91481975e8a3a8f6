-- +goose Up

-- What workers share of the budget of a platform, or of a key on it: who may do
-- how much of it until when. Rows are small and change often.
CREATE TABLE budgets (
    -- <platform>, or <platform> <key>
    name    text COLLATE "C" PRIMARY KEY,
    state   jsonb  NOT NULL,
    -- Never the same twice, so that a state is only replaced by who has read it.
    version bigint NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE SEQUENCE budget_versions;

-- +goose Down
DROP SEQUENCE budget_versions;
DROP TABLE budgets;
