-- +goose Up

-- Decisions are kept for ever, each with the actor: approvals, rejections, adoptions,
-- revocations, lifts and forgotten platforms. Programs from before overwrite and delete them.
UPDATE installation SET schema_floor = 23;

-- actor is <kind>:<name>, empty for rows from before. claim is another name that the caller
-- gave, which nothing verifies.
ALTER TABLE decisions DROP CONSTRAINT decisions_pkey;
ALTER TABLE decisions RENAME approver TO claim;
ALTER TABLE decisions
    ADD COLUMN id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD COLUMN actor    text NOT NULL DEFAULT '',
    -- Null while the decision counts, or would if it had not expired.
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN ended    text CHECK (ended IN ('used', 'replaced', 'expired', 'nothing-left', 'abandoned')),
    ADD CHECK ((ended_at IS NULL) = (ended IS NULL));
CREATE UNIQUE INDEX decisions_open ON decisions (tenant, kind, group_name, role, name, ref) WHERE ended_at IS NULL;
CREATE INDEX decisions_expiry ON decisions (expires_at) WHERE ended_at IS NULL;
CREATE INDEX decisions_tenant ON decisions (tenant, id);

ALTER TABLE adoptions RENAME adopter TO claim;
ALTER TABLE adoptions ADD COLUMN actor text NOT NULL DEFAULT '';

ALTER TABLE revocations RENAME revoked_by TO claim;
ALTER TABLE revocations RENAME lifted_by TO lifted_claim;
ALTER TABLE revocations ALTER COLUMN lifted_claim DROP NOT NULL, ALTER COLUMN lifted_claim DROP DEFAULT;
ALTER TABLE revocations
    ADD COLUMN actor         text NOT NULL DEFAULT '',
    ADD COLUMN lifted_actor  text,
    ADD COLUMN lifted_reason text;
UPDATE revocations SET lifted_claim = NULL WHERE lifted_at IS NULL;

ALTER TABLE abandoned_platforms RENAME actor TO claim;
ALTER TABLE abandoned_platforms
    ADD COLUMN id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD COLUMN actor text NOT NULL DEFAULT '';

-- The actor of each change of the documents.
ALTER TABLE revisions ADD COLUMN actor text NOT NULL DEFAULT '', ADD COLUMN claim text NOT NULL DEFAULT '';

-- keep_decided refuses to remove a row or to change one, but for columns that are named as
-- arguments: each of them may be filled in once.
-- +goose StatementBegin
CREATE FUNCTION keep_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(OLD) - TG_ARGV = to_jsonb(NEW) - TG_ARGV AND NOT EXISTS (
            SELECT FROM unnest(TG_ARGV) AS filled (name)
                WHERE to_jsonb(OLD) ->> name IS NOT NULL AND to_jsonb(OLD) -> name IS DISTINCT FROM to_jsonb(NEW) -> name)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'rows of % are kept for ever: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON decisions FOR EACH ROW EXECUTE FUNCTION keep_decided('ended_at', 'ended');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON decisions EXECUTE FUNCTION keep_decided();
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON adoptions FOR EACH ROW EXECUTE FUNCTION keep_decided('ended_at', 'ended');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON adoptions EXECUTE FUNCTION keep_decided();
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON revocations FOR EACH ROW
    EXECUTE FUNCTION keep_decided('lifted_at', 'lifted_actor', 'lifted_claim', 'lifted_reason');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON revocations EXECUTE FUNCTION keep_decided();
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON abandoned_platforms FOR EACH ROW EXECUTE FUNCTION keep_decided();
CREATE TRIGGER keep_table BEFORE TRUNCATE ON abandoned_platforms EXECUTE FUNCTION keep_decided();

-- +goose Down
UPDATE installation SET schema_floor = 15;

DROP TRIGGER keep_rows ON decisions;
DROP TRIGGER keep_table ON decisions;
DROP TRIGGER keep_rows ON adoptions;
DROP TRIGGER keep_table ON adoptions;
DROP TRIGGER keep_rows ON revocations;
DROP TRIGGER keep_table ON revocations;
DROP TRIGGER keep_rows ON abandoned_platforms;
DROP TRIGGER keep_table ON abandoned_platforms;
DROP FUNCTION keep_decided();

ALTER TABLE revisions DROP COLUMN actor, DROP COLUMN claim;

ALTER TABLE abandoned_platforms DROP COLUMN actor, DROP COLUMN id;
ALTER TABLE abandoned_platforms RENAME claim TO actor;

UPDATE revocations SET lifted_claim = '' WHERE lifted_claim IS NULL;
ALTER TABLE revocations DROP COLUMN actor, DROP COLUMN lifted_actor, DROP COLUMN lifted_reason,
    ALTER COLUMN lifted_claim SET NOT NULL, ALTER COLUMN lifted_claim SET DEFAULT '';
ALTER TABLE revocations RENAME lifted_claim TO lifted_by;
ALTER TABLE revocations RENAME claim TO revoked_by;

ALTER TABLE adoptions DROP COLUMN actor;
ALTER TABLE adoptions RENAME claim TO adopter;

-- A program from before knows one decision about each removal.
DELETE FROM decisions WHERE ended_at IS NOT NULL;
DROP INDEX decisions_open, decisions_expiry, decisions_tenant;
ALTER TABLE decisions DROP COLUMN id, DROP COLUMN actor, DROP COLUMN ended_at, DROP COLUMN ended;
ALTER TABLE decisions RENAME claim TO approver;
ALTER TABLE decisions ADD PRIMARY KEY (tenant, kind, group_name, role, name, ref);
