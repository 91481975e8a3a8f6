-- +goose Up

-- Runs to be started, or told to look again, because of a change that was committed with
-- them. A row is deleted when Temporal has the run or the signal.
CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow_id  text COLLATE "C" NOT NULL,
    workflow     text        NOT NULL,
    summary      text        NOT NULL,
    input        json        NOT NULL,
    cause        text        NOT NULL,
    -- Search attributes by name.
    attributes   jsonb       NOT NULL,
    priority     integer     NOT NULL,
    fairness_key text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- The process that commits the change starts the run at once; others wait until then.
    next_attempt_at       timestamptz NOT NULL DEFAULT now() + interval '2 seconds',
    attempts     integer     NOT NULL DEFAULT 0,
    last_error   text        NOT NULL DEFAULT ''
);
CREATE INDEX outbox_next_attempt ON outbox (next_attempt_at);
CREATE INDEX outbox_workflow ON outbox (workflow_id);

-- The actor of the last start with a cause, by the tenant or the platform that it was about:
-- the records of runs name the actor of their cause.
CREATE TABLE run_causes (
    scope text COLLATE "C" NOT NULL,
    cause text COLLATE "C" NOT NULL,
    actor text        NOT NULL,
    claim text        NOT NULL,
    at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, cause)
);

-- +goose Down
DROP TABLE run_causes, outbox;
