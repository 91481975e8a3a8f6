-- +goose Up

-- A revocation that stands is a decision each time that it is requested again. Programs from
-- before request it again without a row.
CREATE TABLE repeated_revocations (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revocation text        NOT NULL REFERENCES revocations (id),
    reason     text        NOT NULL CHECK (reason <> ''),
    actor      text        NOT NULL,
    claim      text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX repeated_revocations_revocation ON repeated_revocations (revocation, id);
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON repeated_revocations FOR EACH ROW EXECUTE FUNCTION keep_decided();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON repeated_revocations EXECUTE FUNCTION keep_decided();

-- +goose Down
DROP TABLE repeated_revocations;
