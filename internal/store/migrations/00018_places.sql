-- +goose Up

-- Where accounts are: the groups and roles on platforms into which Rollcall put an
-- account, or in which a revocation found it. A place is open until the account is known
-- to be out. Places outlive tenants, platforms and documents: revocations go by them.
-- Programs from before this migration leave the table alone. What they do while builds
-- change is still found by the records of steps.
CREATE TABLE places (
    platform   text COLLATE "C" NOT NULL,
    -- The platform's id of the account.
    account    text COLLATE "C" NOT NULL,
    tenant     text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('members', 'binding')),
    group_name text COLLATE "C" NOT NULL,
    role       text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    -- The platform's id of the group or role; empty where it was not known.
    ref        text             NOT NULL,
    -- The meshUser for whom the account was put there; empty where it was found.
    user_name  text COLLATE "C" NOT NULL,
    origin     text             NOT NULL CHECK (origin IN ('put', 'found')),
    since      timestamptz      NOT NULL DEFAULT now(),
    out_at     timestamptz,
    PRIMARY KEY (platform, account, tenant, kind, group_name, role, name)
);
CREATE INDEX places_open ON places (tenant, kind, group_name) WHERE out_at IS NULL;
CREATE INDEX places_users ON places (user_name) WHERE out_at IS NULL AND user_name <> '';

-- Removed tenants that are cleaned up as far as their platform's document allows, and
-- that still have managed objects. A revocation reaches those with these documents.
CREATE TABLE former_tenants (
    tenant       text COLLATE "C" PRIMARY KEY,
    workspace    text COLLATE "C" NOT NULL,
    project      text COLLATE "C" NOT NULL,
    platform     text COLLATE "C" NOT NULL,
    landing_zone text COLLATE "C" NOT NULL,
    tenant_doc   json NOT NULL,
    project_doc  json NOT NULL,
    platform_doc json NOT NULL,
    zone_doc     json,
    removed_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX former_tenants_platform ON former_tenants (platform);

-- The tenants that a revocation still has to verify.
CREATE TABLE revocation_tenants (
    revocation text COLLATE "C" NOT NULL REFERENCES revocations,
    platform   text COLLATE "C" NOT NULL,
    tenant     text COLLATE "C" NOT NULL,
    PRIMARY KEY (revocation, platform, tenant)
);

-- When the platform accepted the removals, which verification counts from.
ALTER TABLE revocation_platforms ADD COLUMN accepted_at timestamptz;

-- The last step about each account in each set says whether it is there, as far as
-- the set still exists or its platform was forgotten.
INSERT INTO places (platform, account, tenant, kind, group_name, role, name, ref, user_name, origin, since)
WITH steps AS (
	SELECT tenant, step ->> 'kind' AS kind, intended_at, done_at, error,
			coalesce(step #> '{want,members}', step #> '{want,binding}', step #> '{have,members}', step #> '{have,binding}') AS about,
			coalesce(step #> '{want,members,accounts}', step #> '{want,binding,subjects}', '[]')::jsonb AS want,
			coalesce(step #> '{have,members,accounts}', step #> '{have,binding,subjects}', '[]')::jsonb AS have
		FROM records WHERE step ->> 'kind' IN ('members', 'binding')
), events AS (
	SELECT s.tenant, s.kind, s.about, who ->> 'ref' AS account, who ->> 'user' AS user_name, true AS there, s.intended_at AS at
		FROM steps s CROSS JOIN LATERAL jsonb_array_elements(s.want) AS who
		WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(s.have) AS had WHERE had ->> 'ref' = who ->> 'ref')
	UNION ALL
	SELECT s.tenant, s.kind, s.about, who ->> 'ref', who ->> 'user', false, s.done_at
		FROM steps s CROSS JOIN LATERAL jsonb_array_elements(s.have) AS who
		WHERE s.done_at IS NOT NULL AND s.error = ''
			AND NOT EXISTS (SELECT FROM jsonb_array_elements(s.want) AS has WHERE has ->> 'ref' = who ->> 'ref')
), latest AS (
	SELECT DISTINCT ON (tenant, kind, set_group, role, name, account) *
		FROM (SELECT tenant, kind, account, user_name, there, at,
				coalesce(about ->> 'group', '') AS set_group, coalesce(about ->> 'role', '') AS role, coalesce(about ->> 'name', '') AS name,
				coalesce(about ->> 'groupRef', about ->> 'ref', '') AS ref FROM events) AS named
		WHERE coalesce(account, '') <> ''
		ORDER BY tenant, kind, set_group, role, name, account, at DESC, there
)
SELECT substr(tenant, strpos(tenant, '/') + 1), account, tenant, kind, set_group, role, name, ref, coalesce(user_name, ''), 'put', at
	FROM latest l WHERE there AND (
		EXISTS (SELECT FROM owned o WHERE o.tenant = l.tenant AND o.group_name = l.set_group
			AND (l.kind = 'members' AND o.kind = 'group' OR o.kind = l.kind AND o.role = l.role AND o.name = l.name))
		OR EXISTS (SELECT FROM abandoned_platforms a WHERE a.platform = substr(l.tenant, strpos(l.tenant, '/') + 1)));

-- +goose Down
ALTER TABLE revocation_platforms DROP COLUMN accepted_at;
DROP TABLE revocation_tenants, former_tenants, places;
