-- +goose Up

-- Calls of the server by callers that an issuer vouches for. A row is stored before the call
-- and completed after it: one without an end is of a call that runs, or of a server that ended.
CREATE TABLE calls (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    request    text        NOT NULL,
    actor      text        NOT NULL,
    -- The address of the caller.
    remote     text        NOT NULL,
    method     text        NOT NULL,
    -- The request without the bodies of documents.
    parameters jsonb       NOT NULL,
    ended_at   timestamptz,
    -- done, or the code of the failure.
    code       text,
    effect     jsonb
);
CREATE INDEX calls_actor ON calls (actor, id);
CREATE INDEX calls_at ON calls (at);
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON calls FOR EACH ROW EXECUTE FUNCTION keep_decided('ended_at', 'code', 'effect');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON calls EXECUTE FUNCTION keep_decided();

-- Requests without a valid credential, counted by the minute: a stranger adds no row for each.
CREATE TABLE refused_calls (
    minute timestamptz NOT NULL,
    remote text        NOT NULL,
    -- Why the credential was refused.
    code   text        NOT NULL,
    count  bigint      NOT NULL,
    PRIMARY KEY (minute, remote, code)
);

-- +goose Down
DROP TABLE refused_calls, calls;
