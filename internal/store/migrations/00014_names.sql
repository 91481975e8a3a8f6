-- +goose Up

-- Tables, columns, JSON fields and codes get the names of the project's glossary.
-- Programs from before know none of them.
UPDATE installation SET schema_floor = 14;

-- The functions rename the fields of plans and of steps, as the program of before
-- encoded them. In JSON text a quoted word before a colon is a field's name and
-- nothing else: quotes inside a value are escaped. Every other byte stays, so that a
-- plan keeps being named by the digest of its text.
-- +goose StatementBegin
CREATE FUNCTION pg_temp.code(old text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE old
		WHEN 'removal-held' THEN 'removal-pending-approval'
		WHEN 'object-foreign' THEN 'object-unmanaged'
		WHEN 'foreign-permission-kept' THEN 'external-permission-kept'
		WHEN 'foreign-permission-removed' THEN 'external-permission-removed'
		WHEN 'foreign-member-removed' THEN 'unmanaged-member-removed'
		WHEN 'rename-waiting' THEN 'replacement-pending-approval'
		WHEN 'contested' THEN 'drifting'
		ELSE old END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.warnings(old jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_agg(w || jsonb_build_object('code', pg_temp.code(w ->> 'code')) ORDER BY n), '[]')
		FROM jsonb_array_elements(old) WITH ORDINALITY AS every (w, n)
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.step(old text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT replace(replace(replace(replace(replace(old,
		'"person":', '"user":'),
		'"mark":', '"ownershipMarker":'),
		'"serves":', '"grants":'),
		'"carried":', '"copied":'),
		'"carries":', '"copies":')
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.plan(old text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(pg_temp.step(old),
		'"held":', '"pendingApproval":'),
		'"renames":', '"replacements":'),
		'"remarks":', '"warnings":'),
		'"code":"removal-held"', '"code":"removal-pending-approval"'),
		'"code":"object-foreign"', '"code":"object-unmanaged"'),
		'"code":"foreign-permission-kept"', '"code":"external-permission-kept"'),
		'"code":"foreign-permission-removed"', '"code":"external-permission-removed"'),
		'"code":"foreign-member-removed"', '"code":"unmanaged-member-removed"'),
		'"code":"rename-waiting"', '"code":"replacement-pending-approval"'),
		'"code":"contested"', '"code":"drifting"')
$$;
-- +goose StatementEnd

-- Revocations find a user's accounts in the records by these names.
DROP INDEX records_people, records_refs, records_object;
UPDATE records SET step = pg_temp.step(step::text)::json;
-- A worker from before, which may run for some seconds more, records its intent before
-- each call to a platform. It must not: revocations would not find what it records.
ALTER TABLE records ADD CONSTRAINT records_step_names CHECK (NOT jsonb_path_exists(step::jsonb, '$.**.person'));

CREATE TABLE pg_temp.changed AS
	SELECT digest AS old, pg_temp.plan(body::text) AS body,
		left(encode(sha256(convert_to(pg_temp.plan(body::text), 'UTF8')), 'hex'), 32) AS new
	-- A body that its digest does not name stays as it is, and is reported as before.
	FROM plans WHERE digest = left(encode(sha256(convert_to(body::text, 'UTF8')), 'hex'), 32);
UPDATE plans SET digest = new, body = c.body::json FROM pg_temp.changed c WHERE digest = old;
UPDATE statuses SET digest = new FROM pg_temp.changed WHERE digest = old;
UPDATE records SET digest = new FROM pg_temp.changed WHERE digest = old;
UPDATE adoptions SET digest = new FROM pg_temp.changed WHERE digest = old;

CREATE INDEX records_object ON records (tenant, (step ->> 'object'));
CREATE INDEX records_refs ON records USING gin (jsonb_path_query_array(step::jsonb, '$.**.ref'));
CREATE INDEX records_users ON records USING gin (jsonb_path_query_array(step::jsonb, '$.**.user'));

UPDATE statuses SET remarks = pg_temp.warnings(remarks) WHERE jsonb_typeof(remarks) = 'array' AND remarks <> '[]';
UPDATE statuses SET outcome = 'drifting' WHERE outcome = 'contested';
UPDATE revocation_platforms SET remarks = pg_temp.warnings(remarks) WHERE jsonb_typeof(remarks) = 'array' AND remarks <> '[]';
UPDATE ended_remarks SET code = pg_temp.code(code) WHERE code <> pg_temp.code(code);

-- The connection lives on.
DROP TABLE pg_temp.changed;
DROP FUNCTION pg_temp.code(text), pg_temp.warnings(jsonb), pg_temp.step(text), pg_temp.plan(text);

ALTER TABLE drawn RENAME TO allocations;
ALTER INDEX drawn_pkey RENAME TO allocations_pkey;
ALTER INDEX drawn_platform_number_key RENAME TO allocations_platform_number_key;
ALTER TABLE allocations RENAME CONSTRAINT drawn_number_check TO allocations_number_check;

ALTER TABLE generations RENAME TO revisions;
ALTER INDEX generations_pkey RENAME TO revisions_pkey;
ALTER TABLE revisions RENAME generation TO revision;
ALTER TABLE installation RENAME generation TO revision;
ALTER TABLE plans RENAME generation TO revision;
ALTER TABLE statuses RENAME generation TO revision;
ALTER TABLE removals RENAME generation TO revision;

ALTER TABLE touched RENAME TO affected_tenants;
ALTER INDEX touched_pkey RENAME TO affected_tenants_pkey;
ALTER TABLE affected_tenants RENAME generation TO revision;

ALTER TABLE statuses RENAME held TO pending_approval;
ALTER TABLE statuses RENAME removals TO pending_removals;
ALTER TABLE statuses RENAME remarks TO warnings;

ALTER TABLE owned RENAME serves TO grants;

ALTER TABLE renamings DROP CONSTRAINT renamings_state_check;
UPDATE renamings SET state = 'cut-over' WHERE state = 'passed';
ALTER TABLE renamings RENAME TO group_replacements;
ALTER INDEX renamings_pkey RENAME TO group_replacements_pkey;
ALTER INDEX renamings_tenant RENAME TO group_replacements_tenant;
ALTER TABLE group_replacements ADD CONSTRAINT group_replacements_state_check
	CHECK (state IN ('building', 'cut-over', 'done', 'compensated', 'waiting', 'replanned'));

ALTER TABLE removals RENAME taken TO reserved;

ALTER TABLE revocations RENAME person TO user_name;
ALTER TABLE revocation_platforms RENAME settle TO propagation_delay;
ALTER TABLE revocation_platforms RENAME remarks TO warnings;

ALTER TABLE adoptions DROP CONSTRAINT adoptions_ended_check;
UPDATE adoptions SET ended = CASE ended WHEN 'gone' THEN 'not-found' WHEN 'unwanted' THEN 'not-desired' ELSE ended END;
ALTER TABLE adoptions ADD CONSTRAINT adoptions_ended_check CHECK (ended IN ('adopted', 'not-found', 'not-desired', 'replaced'));

ALTER TABLE ended_remarks RENAME TO ended_warnings;
ALTER INDEX ended_remarks_pkey RENAME TO ended_warnings_pkey;
ALTER INDEX ended_remarks_tenant RENAME TO ended_warnings_tenant;
ALTER INDEX ended_remarks_at RENAME TO ended_warnings_at;
ALTER SEQUENCE ended_remarks_id_seq RENAME TO ended_warnings_id_seq;

-- What workers share of a platform's rate limit lives for seconds. Workers that run
-- now write it again.
DELETE FROM budgets;
ALTER TABLE budgets RENAME TO rate_limits;
ALTER INDEX budgets_pkey RENAME TO rate_limits_pkey;
ALTER SEQUENCE budget_versions RENAME TO rate_limit_versions;

-- +goose Down
UPDATE installation SET schema_floor = 13;

DELETE FROM rate_limits;
ALTER TABLE rate_limits RENAME TO budgets;
ALTER INDEX rate_limits_pkey RENAME TO budgets_pkey;
ALTER SEQUENCE rate_limit_versions RENAME TO budget_versions;

ALTER TABLE ended_warnings RENAME TO ended_remarks;
ALTER INDEX ended_warnings_pkey RENAME TO ended_remarks_pkey;
ALTER INDEX ended_warnings_tenant RENAME TO ended_remarks_tenant;
ALTER INDEX ended_warnings_at RENAME TO ended_remarks_at;
ALTER SEQUENCE ended_warnings_id_seq RENAME TO ended_remarks_id_seq;

ALTER TABLE adoptions DROP CONSTRAINT adoptions_ended_check;
UPDATE adoptions SET ended = CASE ended WHEN 'not-found' THEN 'gone' WHEN 'not-desired' THEN 'unwanted' ELSE ended END;
ALTER TABLE adoptions ADD CONSTRAINT adoptions_ended_check CHECK (ended IN ('adopted', 'gone', 'unwanted', 'replaced'));

ALTER TABLE revocation_platforms RENAME warnings TO remarks;
ALTER TABLE revocation_platforms RENAME propagation_delay TO settle;
ALTER TABLE revocations RENAME user_name TO person;

ALTER TABLE removals RENAME reserved TO taken;

ALTER TABLE group_replacements DROP CONSTRAINT group_replacements_state_check;
UPDATE group_replacements SET state = 'passed' WHERE state = 'cut-over';
ALTER TABLE group_replacements RENAME TO renamings;
ALTER INDEX group_replacements_pkey RENAME TO renamings_pkey;
ALTER INDEX group_replacements_tenant RENAME TO renamings_tenant;
ALTER TABLE renamings ADD CONSTRAINT renamings_state_check
	CHECK (state IN ('building', 'passed', 'done', 'compensated', 'waiting', 'replanned'));

ALTER TABLE owned RENAME grants TO serves;

ALTER TABLE statuses RENAME warnings TO remarks;
ALTER TABLE statuses RENAME pending_removals TO removals;
ALTER TABLE statuses RENAME pending_approval TO held;

ALTER TABLE affected_tenants RENAME revision TO generation;
ALTER TABLE affected_tenants RENAME TO touched;
ALTER INDEX affected_tenants_pkey RENAME TO touched_pkey;

ALTER TABLE removals RENAME revision TO generation;
ALTER TABLE statuses RENAME revision TO generation;
ALTER TABLE plans RENAME revision TO generation;
ALTER TABLE installation RENAME revision TO generation;
ALTER TABLE revisions RENAME revision TO generation;
ALTER TABLE revisions RENAME TO generations;
ALTER INDEX revisions_pkey RENAME TO generations_pkey;

ALTER TABLE allocations RENAME TO drawn;
ALTER INDEX allocations_pkey RENAME TO drawn_pkey;
ALTER INDEX allocations_platform_number_key RENAME TO drawn_platform_number_key;
ALTER TABLE drawn RENAME CONSTRAINT allocations_number_check TO drawn_number_check;

-- +goose StatementBegin
CREATE FUNCTION pg_temp.code(old text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE old
		WHEN 'removal-pending-approval' THEN 'removal-held'
		WHEN 'object-unmanaged' THEN 'object-foreign'
		WHEN 'external-permission-kept' THEN 'foreign-permission-kept'
		WHEN 'external-permission-removed' THEN 'foreign-permission-removed'
		WHEN 'unmanaged-member-removed' THEN 'foreign-member-removed'
		WHEN 'replacement-pending-approval' THEN 'rename-waiting'
		WHEN 'drifting' THEN 'contested'
		ELSE old END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.warnings(old jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_agg(w || jsonb_build_object('code', pg_temp.code(w ->> 'code')) ORDER BY n), '[]')
		FROM jsonb_array_elements(old) WITH ORDINALITY AS every (w, n)
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.step(old text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT replace(replace(replace(replace(replace(old,
		'"user":', '"person":'),
		'"ownershipMarker":', '"mark":'),
		'"grants":', '"serves":'),
		'"copied":', '"carried":'),
		'"copies":', '"carries":')
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.plan(old text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(pg_temp.step(old),
		'"pendingApproval":', '"held":'),
		'"replacements":', '"renames":'),
		'"warnings":', '"remarks":'),
		'"code":"removal-pending-approval"', '"code":"removal-held"'),
		'"code":"object-unmanaged"', '"code":"object-foreign"'),
		'"code":"external-permission-kept"', '"code":"foreign-permission-kept"'),
		'"code":"external-permission-removed"', '"code":"foreign-permission-removed"'),
		'"code":"unmanaged-member-removed"', '"code":"foreign-member-removed"'),
		'"code":"replacement-pending-approval"', '"code":"rename-waiting"'),
		'"code":"drifting"', '"code":"contested"')
$$;
-- +goose StatementEnd

DROP INDEX records_users, records_refs, records_object;
ALTER TABLE records DROP CONSTRAINT records_step_names;
UPDATE records SET step = pg_temp.step(step::text)::json;

CREATE TABLE pg_temp.changed AS
	SELECT digest AS old, pg_temp.plan(body::text) AS body,
		left(encode(sha256(convert_to(pg_temp.plan(body::text), 'UTF8')), 'hex'), 32) AS new
	-- A body that its digest does not name stays as it is, and is reported as before.
	FROM plans WHERE digest = left(encode(sha256(convert_to(body::text, 'UTF8')), 'hex'), 32);
UPDATE plans SET digest = new, body = c.body::json FROM pg_temp.changed c WHERE digest = old;
UPDATE statuses SET digest = new FROM pg_temp.changed WHERE digest = old;
UPDATE records SET digest = new FROM pg_temp.changed WHERE digest = old;
UPDATE adoptions SET digest = new FROM pg_temp.changed WHERE digest = old;

CREATE INDEX records_object ON records (tenant, (step ->> 'object'));
CREATE INDEX records_refs ON records USING gin (jsonb_path_query_array(step::jsonb, '$.**.ref'));
CREATE INDEX records_people ON records USING gin (jsonb_path_query_array(step::jsonb, '$.**.person'));

UPDATE statuses SET remarks = pg_temp.warnings(remarks) WHERE jsonb_typeof(remarks) = 'array' AND remarks <> '[]';
UPDATE statuses SET outcome = 'contested' WHERE outcome = 'drifting';
UPDATE revocation_platforms SET remarks = pg_temp.warnings(remarks) WHERE jsonb_typeof(remarks) = 'array' AND remarks <> '[]';
UPDATE ended_remarks SET code = pg_temp.code(code) WHERE code <> pg_temp.code(code);

-- The connection lives on.
DROP TABLE pg_temp.changed;
DROP FUNCTION pg_temp.code(text), pg_temp.warnings(jsonb), pg_temp.step(text), pg_temp.plan(text);
