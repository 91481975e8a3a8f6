-- +goose Up

-- Platform documents name a connection, which the operator of the workers describes in
-- files. They hold no address, file or credential any more.
UPDATE installation SET schema_floor = 15;

-- What platform documents said before, for `rollcall connection extract`: the part of
-- spec.config.<type> that belongs to a connection now.
CREATE TABLE former_connections (
    platform text COLLATE "C" PRIMARY KEY,
    type     text  NOT NULL,
    settings jsonb NOT NULL
);

-- The connections that workers hold, as they report them. Reports of workers that are
-- gone expire.
CREATE TABLE connections (
    worker      text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    type        text             NOT NULL,
    used_by     text[]           NOT NULL,
    digest      text             NOT NULL,
    -- Why the platforms do not accept the account; empty if they do.
    error       text             NOT NULL DEFAULT '',
    checked_at  timestamptz,
    -- The request for a check that the check answers, see installation.
    answers     timestamptz,
    reported_at timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (worker, name)
);

-- Platforms that a worker does not serve, and why.
CREATE TABLE unserved_platforms (
    worker      text COLLATE "C" NOT NULL,
    platform    text COLLATE "C" NOT NULL,
    reason      text             NOT NULL,
    reported_at timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (worker, platform)
);

-- Platforms whose removed tenants were forgotten without a cleanup, and why.
CREATE TABLE abandoned_platforms (
    platform  text COLLATE "C" NOT NULL,
    reason    text        NOT NULL CHECK (reason <> ''),
    actor     text        NOT NULL,
    tenants   integer     NOT NULL,
    objects   integer     NOT NULL,
    at        timestamptz NOT NULL DEFAULT now()
);

-- When somebody last asked for a check of all connections.
ALTER TABLE installation ADD COLUMN connection_check timestamptz;

-- +goose StatementBegin
CREATE FUNCTION pg_temp.belongs(type text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE type
		WHEN 'aks' THEN '{tenantId,clusterResourceId,server,caFile,caData,clusterCredentials,administrativeUnitId,endpoints}'
		WHEN 'aws' THEN '{region,instanceArn,identityStoreId,endpoint,assumeRole}'
		WHEN 'azure' THEN '{tenantId,administrativeUnitId,endpoints}'
		WHEN 'cloudfoundry' THEN '{apiUrl,uaaUrl}'
		WHEN 'gcp' THEN '{domain,customerId,impersonate,endpoint,endpoints}'
		WHEN 'kubernetes' THEN '{server,caFile,caData}'
		WHEN 'marketplace' THEN '{tenantId,administrativeUnitId,endpoints}'
		WHEN 'memory' THEN '{file,pageSize}'
		WHEN 'openshift' THEN '{server,caFile,caData}'
		WHEN 'openstack' THEN '{url,region,domainName,domainId}'
		ELSE '{}' END::text[]
$$;
-- +goose StatementEnd
-- The one text of a document: sorted keys, no blanks.
-- +goose StatementBegin
CREATE FUNCTION pg_temp.canonical(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN CASE jsonb_typeof(v)
		WHEN 'object' THEN (SELECT '{' || coalesce(string_agg(to_json(key)::text || ':' || pg_temp.canonical(value), ',' ORDER BY key COLLATE "C"), '') || '}'
			FROM jsonb_each(v))
		WHEN 'array' THEN (SELECT '[' || coalesce(string_agg(pg_temp.canonical(value), ',' ORDER BY n), '') || ']'
			FROM jsonb_array_elements(v) WITH ORDINALITY AS every (value, n))
		ELSE v::text END;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.type_of(body jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT key FROM jsonb_object_keys(body #> '{spec,config}') AS key WHERE key <> 'type' LIMIT 1
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.settings(body jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE key = ANY (pg_temp.belongs(pg_temp.type_of(body)))), '{}')
		|| jsonb_strip_nulls(jsonb_build_object('replication', nullif(jsonb_strip_nulls(jsonb_build_object(
			'credentials', body #> ARRAY['spec', 'config', pg_temp.type_of(body), 'replication', 'credentials'],
			'budget', body #> ARRAY['spec', 'config', pg_temp.type_of(body), 'replication', 'budget'])), '{}')))
		FROM jsonb_each(body #> ARRAY['spec', 'config', pg_temp.type_of(body)])
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION pg_temp.without(body jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_set(body, at, (body #> at) - pg_temp.belongs(at[3])
			|| jsonb_build_object('replication', (body #> (at || '{replication}')) - '{credentials,budget}'::text[]))
		FROM (SELECT ARRAY['spec', 'config', pg_temp.type_of(body)] AS at) AS path
$$;
-- +goose StatementEnd

INSERT INTO former_connections
	SELECT name, pg_temp.type_of(body::jsonb), pg_temp.settings(body::jsonb) FROM documents WHERE kind = 'meshPlatform';
INSERT INTO former_connections
	SELECT DISTINCT ON (platform) platform, pg_temp.type_of(platform_doc::jsonb), pg_temp.settings(platform_doc::jsonb)
		FROM tombstones ORDER BY platform, removed_at DESC
	ON CONFLICT DO NOTHING;
UPDATE documents SET body = pg_temp.canonical(pg_temp.without(body::jsonb))::json WHERE kind = 'meshPlatform';
UPDATE tombstones SET platform_doc = pg_temp.canonical(pg_temp.without(platform_doc::jsonb))::json;

-- The connection lives on.
DROP FUNCTION pg_temp.belongs(text), pg_temp.type_of(jsonb), pg_temp.settings(jsonb), pg_temp.without(jsonb), pg_temp.canonical(jsonb);

-- +goose Down
UPDATE installation SET schema_floor = 14;

-- +goose StatementBegin
CREATE FUNCTION pg_temp.canonical(v jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN CASE jsonb_typeof(v)
		WHEN 'object' THEN (SELECT '{' || coalesce(string_agg(to_json(key)::text || ':' || pg_temp.canonical(value), ',' ORDER BY key COLLATE "C"), '') || '}'
			FROM jsonb_each(v))
		WHEN 'array' THEN (SELECT '[' || coalesce(string_agg(pg_temp.canonical(value), ',' ORDER BY n), '') || ']'
			FROM jsonb_array_elements(v) WITH ORDINALITY AS every (value, n))
		ELSE v::text END;
END
$$;
-- +goose StatementEnd
-- Platforms that were stored since have no former connection, and cannot be opened by
-- earlier programs until they are applied again.
-- +goose StatementBegin
CREATE FUNCTION pg_temp.with_former(body jsonb, former former_connections) RETURNS json LANGUAGE sql IMMUTABLE AS $$
	SELECT pg_temp.canonical(jsonb_set(body, at, (body #> at) - 'connection' || (former.settings - 'replication')
			|| jsonb_build_object('replication', (body #> (at || '{replication}')) || coalesce(former.settings -> 'replication', '{}'))))::json
		FROM (SELECT ARRAY['spec', 'config', former.type] AS at) AS path
$$;
-- +goose StatementEnd
UPDATE documents SET body = pg_temp.with_former(body::jsonb, f) FROM former_connections f
	WHERE kind = 'meshPlatform' AND f.platform = name AND body::jsonb #> ARRAY['spec', 'config', f.type] IS NOT NULL;
UPDATE tombstones t SET platform_doc = pg_temp.with_former(platform_doc::jsonb, f) FROM former_connections f
	WHERE f.platform = t.platform AND platform_doc::jsonb #> ARRAY['spec', 'config', f.type] IS NOT NULL;
DROP FUNCTION pg_temp.with_former(jsonb, former_connections), pg_temp.canonical(jsonb);
ALTER TABLE installation DROP COLUMN connection_check;
DROP TABLE abandoned_platforms, unserved_platforms, connections, former_connections;
