-- +goose Up

-- People whose access somebody revoked by name. What was lifted is kept.
CREATE TABLE revocations (
    -- Random, and says nothing about the person: workflows are named by it.
    id         text COLLATE "C" PRIMARY KEY,
    person     text COLLATE "C" NOT NULL,
    -- The person's when it was revoked: their document may be gone since.
    euid       text        NOT NULL,
    reason     text        NOT NULL,
    -- Who says to have revoked and lifted it: self-asserted, until there are logins.
    revoked_by text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    lifted_by  text        NOT NULL DEFAULT '',
    lifted_at  timestamptz
);
CREATE UNIQUE INDEX revocations_standing ON revocations (person) WHERE lifted_at IS NULL;

-- How far each is on each platform.
CREATE TABLE revocation_platforms (
    revocation text COLLATE "C" NOT NULL REFERENCES revocations,
    platform   text COLLATE "C" NOT NULL,
    state      text NOT NULL CHECK (state IN ('waiting', 'accepted', 'done', 'failed')),
    -- When it was asked for last, which its time counts from.
    asked_at   timestamptz NOT NULL DEFAULT now(),
    took       interval    NOT NULL DEFAULT '0',
    settle     interval    NOT NULL DEFAULT '0',
    tenants    integer     NOT NULL DEFAULT 0,
    sets       integer     NOT NULL DEFAULT 0,
    calls      integer     NOT NULL DEFAULT 0,
    -- What it waits for, or why it failed.
    problem    text        NOT NULL DEFAULT '',
    -- [{code, object, text}]: what is left for people to do there.
    remarks    jsonb       NOT NULL DEFAULT '[]',
    PRIMARY KEY (revocation, platform)
);

-- The accounts that were found to be the person's.
CREATE TABLE revoked_accounts (
    revocation text COLLATE "C" NOT NULL REFERENCES revocations,
    platform   text COLLATE "C" NOT NULL,
    ref        text COLLATE "C" NOT NULL,
    PRIMARY KEY (revocation, platform, ref)
);
CREATE INDEX revoked_accounts_platform ON revoked_accounts (platform);

-- By these a person's tenants are found among all that was ever done.
CREATE INDEX records_refs ON records USING gin (jsonb_path_query_array(step::jsonb, '$.**.ref'));
CREATE INDEX records_people ON records USING gin (jsonb_path_query_array(step::jsonb, '$.**.person'));

-- +goose Down
DROP INDEX records_people, records_refs;
DROP TABLE revoked_accounts, revocation_platforms, revocations;
