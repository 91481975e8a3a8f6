-- +goose Up

-- Accounts that a platform knows, by the attribute they were looked up by.
-- Answers other than "found" are never kept.
CREATE TABLE accounts (
    platform  text COLLATE "C" NOT NULL,
    attribute text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,
    ref       text COLLATE "C" NOT NULL,
    found_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (platform, attribute, name)
);
CREATE INDEX accounts_ref ON accounts (platform, ref);

-- Plans never change; digest names the body's content.
CREATE TABLE plans (
    digest     text COLLATE "C" PRIMARY KEY,
    tenant     text COLLATE "C" NOT NULL,
    -- The newest generation that this is the plan for.
    generation bigint NOT NULL,
    body       json   NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- How the last run of each tenant ended.
CREATE TABLE statuses (
    tenant     text COLLATE "C" PRIMARY KEY,
    workspace  text COLLATE "C" NOT NULL,
    project    text COLLATE "C" NOT NULL,
    platform   text COLLATE "C" NOT NULL,
    outcome    text   NOT NULL,
    run_id     text   NOT NULL,
    digest     text   NOT NULL,
    steps      integer NOT NULL,
    held       integer NOT NULL,
    calls      integer NOT NULL,
    generation bigint NOT NULL,
    duration   interval NOT NULL,
    -- [{code, object, text, since}]: what holds now, and since when.
    remarks    jsonb  NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE statuses, plans, accounts;
