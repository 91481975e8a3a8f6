package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Revocation is a person whose access somebody revoked by name, on everything.
type Revocation struct {
	// ID is random and says nothing about the person.
	ID string
	// Person names the meshUser.
	Person string
	// EUID is the person's when it was revoked, empty where no document said it.
	EUID   string
	Reason string
	// By revoked it.
	By access.Actor
	At time.Time
	// LiftedBy, LiftedAt and LiftReason are zero while the revocation stands. Lifts from
	// before reasons were kept have none.
	LiftedBy   access.Actor
	LiftedAt   time.Time
	LiftReason string
	// Repeats are the later requests for the same revocation, the oldest first.
	Repeats []RevocationRepeat
	// Platforms are in the order of their names.
	Platforms []RevokedPlatform
}

// RevocationRepeat is one more request for a revocation that stood already.
type RevocationRepeat struct {
	Reason string
	By     access.Actor
	At     time.Time
}

// RevocationState is how far a revocation is on one platform.
type RevocationState string

// The states. What is accepted is watched until it is seen, which is done.
const (
	RevocationWaiting  RevocationState = "waiting"
	RevocationAccepted RevocationState = "accepted"
	RevocationDone     RevocationState = "done"
	RevocationFailed   RevocationState = "failed"
)

// RevokedPlatform is how a revocation stands on one platform. Only its Remarks
// name people.
type RevokedPlatform struct {
	Platform string
	State    RevocationState
	// Took is the time from when it was asked for until the platform had accepted
	// all of it, by the database's clock; zero until then.
	Took time.Duration
	// Settle is how long the platform may take from then to act on it.
	Settle time.Duration
	// Tenants were looked at, Sets lost the person, Calls were made.
	Tenants, Sets, Calls int
	// Problem is what it waits for, or why it failed.
	Problem string
	// Remarks say what is left for people to do there.
	Remarks []access.Remark
	// AcceptedAt is when the platform had accepted all of it, zero until then.
	AcceptedAt time.Time
	// Open are the groups and roles there that still have the person, or may have.
	Open []OpenPlace
}

// RevocationFilter chooses revocations; empty fields choose all that stand.
type RevocationFilter struct {
	ID, Person string
	// Lifted adds those that were lifted.
	Lifted bool
}

// Revoke stores that a person has no access any more, whatever the documents
// give them, and that all platforms are asked to see to it: served ones, those where removed tenants
// still have managed objects, and those where the ledger still has the person. One that
// stands already is asked for again and keeps its reason; the repetition is kept beside it. It
// fails with ErrNotFound for a user of whom nothing is known.
//
// A new one ages all plans, as a change of the documents does. The starts, which may be nil,
// get the revocation's id and its platforms; they are stored with it.
func (s *Store) Revoke(
	ctx context.Context, person, reason string, by access.Actor, starts func(id string, platforms []string) ([]Start, error),
) (Revocation, error) {
	if err := checkDecided(by, reason); err != nil {
		return Revocation{}, err
	}
	var id string
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "SELECT id FROM revocations WHERE user_name = $1 AND lifted_at IS NULL", person).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			id, err = revoke(ctx, tx, person, reason, by)
		} else if err == nil {
			_, err = tx.Exec(ctx, "INSERT INTO repeated_revocations (revocation, reason, actor, claim) VALUES ($1, $2, $3, $4)",
				id, reason, by.ID(), by.Claim)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO revocation_platforms (revocation, platform, state)
			SELECT $1, name, 'waiting' FROM `+served+` UNION SELECT $1, platform, 'waiting' FROM former_tenants
				UNION SELECT $1, platform, 'waiting' FROM places WHERE user_name = $2 AND out_at IS NULL
			ON CONFLICT (revocation, platform) DO UPDATE SET state = excluded.state, asked_at = now(), took = '0', accepted_at = NULL,
				tenants = 0, sets = 0, calls = 0, problem = '', warnings = '[]'`, id, person)
		if err != nil || starts == nil {
			return err
		}
		return startRevocation(ctx, tx, id, by, starts)
	})
	if err != nil {
		return Revocation{}, prefixed(err)
	}
	found, err := s.Revocations(ctx, RevocationFilter{ID: id})
	if err != nil || len(found) == 0 {
		return Revocation{}, err
	}
	return found[0], nil
}

// startRevocation stores the runs of a revocation.
func startRevocation(
	ctx context.Context, tx pgx.Tx, id string, by access.Actor, starts func(id string, platforms []string) ([]Start, error),
) error {
	rows, err := tx.Query(ctx, "SELECT platform FROM revocation_platforms WHERE revocation = $1 ORDER BY platform", id)
	if err != nil {
		return err
	}
	platforms, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	runs, err := starts(id, platforms)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	if err := queueStarts(batch, by, runs); err != nil {
		return err
	}
	return tx.SendBatch(ctx, batch).Close()
}

// served are the platforms that runs may need.
const served = `(SELECT name FROM documents WHERE kind = 'meshPlatform' UNION SELECT platform FROM tombstones) AS served`

// revoke stores a new revocation and returns its ID.
func revoke(ctx context.Context, tx pgx.Tx, person, reason string, by access.Actor) (string, error) {
	id := strings.ToLower(rand.Text()[:16])
	var euid *string
	var known bool
	err := tx.QueryRow(ctx, `SELECT (SELECT body -> 'spec' ->> 'euid' FROM documents WHERE kind = 'meshUser' AND name = $1),
		EXISTS (SELECT FROM documents WHERE kind = 'meshUser' AND name = $1)
			OR EXISTS (SELECT FROM records WHERE jsonb_path_query_array(step::jsonb, '$.**.user') ? $1)`, person).Scan(&euid, &known)
	if err != nil {
		return "", err
	}
	if !known {
		return "", fmt.Errorf("store: the person: %w: there is no such meshUser, and no record of one", ErrNotFound)
	}
	_, err = tx.Exec(ctx, `INSERT INTO revocations (id, user_name, euid, reason, actor, claim)
		VALUES ($1, $2, coalesce($3, ''), $4, $5, $6)`, id, person, euid, reason, by.ID(), by.Claim)
	if err != nil {
		return "", err
	}
	return id, age(ctx, tx, by)
}

// age makes every plan look again whether it is still desired.
func age(ctx context.Context, tx pgx.Tx, by access.Actor) error {
	_, err := tx.Exec(ctx, `WITH next AS (UPDATE installation SET revision = revision + 1 RETURNING revision)
		INSERT INTO revisions (revision, actor, claim) SELECT revision, $1, $2 FROM next`, by.ID(), by.Claim)
	return err
}

// Lift ends the person's revocation: what the documents give them counts again.
// It fails with ErrNotFound where none stands. The starts are stored with it.
func (s *Store) Lift(ctx context.Context, person, reason string, by access.Actor, starts ...Start) error {
	return s.lift(ctx, person, nil, reason, by, starts)
}

// LiftUnchanged is Lift of the revocation that the caller has read. It fails with ErrChanged if
// that one is lifted, or was requested again since.
func (s *Store) LiftUnchanged(ctx context.Context, read Revocation, reason string, by access.Actor, starts ...Start) error {
	err := s.lift(ctx, read.Person, &read, reason, by, starts)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("store: lift the revocation %s: %w", read.ID, ErrChanged)
	}
	return err
}

// lift ends the revocation of a user, if it is the one that the caller has read; nil for any.
func (s *Store) lift(ctx context.Context, person string, read *Revocation, reason string, by access.Actor, starts []Start) error {
	id, repeats := "", 0
	if read != nil {
		id, repeats = read.ID, len(read.Repeats)
	}
	if err := checkDecided(by, reason); err != nil {
		return err
	}
	return prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE revocations SET lifted_actor = $2, lifted_claim = $3, lifted_reason = $4, lifted_at = now()
			WHERE user_name = $1 AND lifted_at IS NULL AND ($5 = '' OR id = $5
				AND (SELECT count(*) FROM repeated_revocations r WHERE r.revocation = revocations.id) = $6)`,
			person, by.ID(), by.Claim, reason, id, repeats)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return fmt.Errorf("store: a revocation of the person: %w", ErrNotFound)
		}
		batch := &pgx.Batch{}
		if err := queueStarts(batch, by, starts); err != nil {
			return err
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		return age(ctx, tx, by)
	}))
}

// Revocations returns the chosen revocations, the newest first.
func (s *Store) Revocations(ctx context.Context, f RevocationFilter) ([]Revocation, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, user_name, euid, reason, actor, claim, at,
			coalesce(lifted_actor, ''), coalesce(lifted_claim, ''), coalesce(lifted_reason, ''), lifted_at
		FROM revocations
		WHERE ($1 = '' OR id = $1) AND ($2 = '' OR user_name = $2) AND ($3 OR lifted_at IS NULL)
		ORDER BY at DESC, id`, f.ID, f.Person, f.Lifted)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Revocation, error) {
		var r Revocation
		var actor, claim, liftedActor, liftedClaim string
		var lifted *time.Time
		err := row.Scan(&r.ID, &r.Person, &r.EUID, &r.Reason, &actor, &claim, &r.At, &liftedActor, &liftedClaim, &r.LiftReason, &lifted)
		r.By, r.LiftedBy = access.ParseActor(actor, claim), access.ParseActor(liftedActor, liftedClaim)
		if lifted != nil {
			r.LiftedAt = *lifted
		}
		return r, err
	})
	if err != nil || len(found) == 0 {
		return nil, prefixed(err)
	}
	if err := s.revocationRepeats(ctx, found); err != nil {
		return nil, err
	}
	return found, s.revokedPlatforms(ctx, found)
}

// revocationRepeats adds the later requests for each of the revocations.
func (s *Store) revocationRepeats(ctx context.Context, found []Revocation) error {
	at, ids := revocationIDs(found)
	rows, err := s.pool.Query(ctx, `SELECT revocation, reason, actor, claim, at
		FROM repeated_revocations WHERE revocation = ANY($1) ORDER BY id`, ids)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	var id, actor, claim string
	var r RevocationRepeat
	_, err = pgx.ForEachRow(rows, []any{&id, &r.Reason, &actor, &claim, &r.At}, func() error {
		r.By = access.ParseActor(actor, claim)
		found[at[id]].Repeats = append(found[at[id]].Repeats, r)
		return nil
	})
	return prefixed(err)
}

// revocationIDs returns the IDs of revocations, and where each is.
func revocationIDs(found []Revocation) (at map[string]int, ids []string) {
	at, ids = make(map[string]int, len(found)), make([]string, len(found))
	for i, r := range found {
		at[r.ID], ids[i] = i, r.ID
	}
	return at, ids
}

// revokedPlatforms adds how each of the revocations stands on each platform.
func (s *Store) revokedPlatforms(ctx context.Context, found []Revocation) error {
	at, ids := revocationIDs(found)
	rows, err := s.pool.Query(ctx, `SELECT revocation, platform, state, took, propagation_delay, tenants, sets, calls, problem, warnings,
			coalesce(accepted_at, 'epoch')
		FROM revocation_platforms WHERE revocation = ANY($1) ORDER BY revocation, platform`, ids)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	var id string
	var p RevokedPlatform
	_, err = pgx.ForEachRow(rows, []any{
		&id, &p.Platform, &p.State, &p.Took, &p.Settle, &p.Tenants, &p.Sets, &p.Calls, &p.Problem, &p.Remarks, &p.AcceptedAt,
	}, func() error {
		r := &found[at[id]]
		p.AcceptedAt = fromNull(p.AcceptedAt)
		r.Platforms = append(r.Platforms, p)
		p.Remarks = nil // the next row gets a list of its own
		return nil
	})
	if err != nil {
		return prefixed(err)
	}
	return s.openPlaces(ctx, found)
}

// RevokedOn stores how a revocation stands on one platform. Took is worked out
// here, when it is first accepted.
func (s *Store) RevokedOn(ctx context.Context, id string, p RevokedPlatform) error {
	remarks := append([]access.Remark{}, p.Remarks...) // not nil, which would be null
	return s.exec(ctx, `INSERT INTO revocation_platforms
			(revocation, platform, state, propagation_delay, tenants, sets, calls, problem, warnings)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (revocation, platform) DO UPDATE SET state = excluded.state, propagation_delay = excluded.propagation_delay,
			tenants = excluded.tenants, sets = excluded.sets, calls = excluded.calls, problem = excluded.problem,
			warnings = excluded.warnings, took = CASE WHEN revocation_platforms.took = '0' AND excluded.state IN ('accepted', 'done')
				THEN now() - revocation_platforms.asked_at ELSE revocation_platforms.took END,
			accepted_at = CASE WHEN revocation_platforms.accepted_at IS NULL AND excluded.state IN ('accepted', 'done')
				THEN now() ELSE revocation_platforms.accepted_at END`,
		id, p.Platform, string(p.State), p.Settle, p.Tenants, p.Sets, p.Calls, p.Problem, remarks)
}

// RememberRevoked notes which accounts of a platform are the revoked person's.
func (s *Store) RememberRevoked(ctx context.Context, id, platform string, refs []string) error {
	return s.exec(ctx, `INSERT INTO revoked_accounts (revocation, platform, ref)
		SELECT $1, $2, ref FROM unnest($3::text[]) AS refs (ref) ON CONFLICT DO NOTHING`, id, platform, refs)
}

// RevokedRefs returns the accounts of a platform that are known to be those of
// people whose revocation stands, sorted.
func (s *Store) RevokedRefs(ctx context.Context, platform string) ([]string, error) {
	return s.list(ctx, `SELECT DISTINCT ref FROM revoked_accounts JOIN revocations ON id = revocation
		WHERE platform = $1 AND lifted_at IS NULL ORDER BY ref`, platform)
}

// KnownRefs returns the accounts that were found under those names, however long
// ago, and not under another one since, sorted.
func (s *Store) KnownRefs(ctx context.Context, platform, attribute string, names []string) ([]string, error) {
	return s.list(ctx, `SELECT ref FROM (SELECT DISTINCT ON (ref) ref, name FROM accounts WHERE platform = $1 AND attribute = $2
			AND ref IN (SELECT ref FROM accounts WHERE platform = $1 AND attribute = $2 AND name = ANY($3))
			ORDER BY ref, found_at DESC) AS last
		WHERE name = ANY($3) ORDER BY ref`, platform, attribute, names)
}

func (s *Store) list(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return found, prefixed(err)
}

// RevokedEUIDs returns the euids under which the person's accounts are known:
// that of the revocation, and that of their document if it changed since.
func (s *Store) RevokedEUIDs(ctx context.Context, r Revocation) ([]string, error) {
	return s.list(ctx, `SELECT euid FROM (SELECT $2::text AS euid UNION
			SELECT body -> 'spec' ->> 'euid' FROM documents WHERE kind = 'meshUser' AND name = $1) AS euids
		WHERE trim(euid) <> '' ORDER BY euid`, r.Person, r.EUID)
}

// OtherEUIDs returns the euids of everybody but the person.
func (s *Store) OtherEUIDs(ctx context.Context, person string) ([]string, error) {
	return s.list(ctx, `SELECT DISTINCT body -> 'spec' ->> 'euid' FROM documents
		WHERE kind = 'meshUser' AND name <> $1 AND trim(body -> 'spec' ->> 'euid') <> ''`, person)
}

// UsersOfSameAccount returns the names and euids of users who may have the account of one of
// the euids.
func (s *Store) UsersOfSameAccount(ctx context.Context, euids []string) ([]document.User, error) {
	rows, err := s.pool.Query(ctx, `SELECT name, body -> 'spec' ->> 'euid' FROM documents
		WHERE kind = 'meshUser' AND subject = ANY($1) AND subject <> '' ORDER BY name`, searchKeys(euids))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	users, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (u document.User, err error) {
		return u, row.Scan(&u.Name, &u.EUID)
	})
	return users, prefixed(err)
}

func searchKeys(euids []string) []string {
	keys := make([]string, len(euids))
	for i, euid := range euids {
		keys[i] = identity.SearchKey(strings.TrimSpace(euid))
	}
	return keys
}

// EUIDsOfSameAccount returns the euids of other users that may end in the account of one of
// the euids.
func (s *Store) EUIDsOfSameAccount(ctx context.Context, person string, euids []string) ([]string, error) {
	return s.list(ctx, `SELECT DISTINCT body -> 'spec' ->> 'euid' FROM documents
		WHERE kind = 'meshUser' AND subject = ANY($2) AND subject <> '' AND name <> $1`, person, searchKeys(euids))
}

// PersonTenants returns the tenants on which documents give something to the user, or to a
// user who may have the account of the euid, on one platform or on all if it is empty.
// Whether the role is mapped there is not asked.
func (s *Store) PersonTenants(ctx context.Context, person, euid, platform string) ([]access.TenantID, error) {
	rows, err := queryRows(ctx, s.pool, reachable, person, identity.SearchKey(strings.TrimSpace(euid)), platform)
	if err != nil {
		return nil, err
	}
	var users []string
	for _, r := range rows {
		if r.ID.Kind == document.KindUser {
			users = append(users, r.ID.Name)
		}
	}
	return graphOf(rows).TenantsOf(users...), nil
}

// reachable selects the user $1, the users with the search key $2, the tenants of the platform $3
// that bindings may give them, and all that decides whether the bindings do: the groups that
// the users are in, those of the same names, and the bindings of users and groups by name.
const reachable = `
WITH people AS (SELECT ` + columns + ` FROM documents WHERE kind = 'meshUser'
	AND (name = $1 OR $2 <> '' AND subject = $2)),
groups AS (SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceUserGroup'
	AND subject IN (SELECT subject FROM documents WHERE kind = 'meshWorkspaceUserGroup'
		AND members && ARRAY(SELECT name::text FROM people))),
bindings AS (SELECT ` + columns + ` FROM documents
	WHERE kind = 'meshProjectUserBinding' AND subject IN (SELECT name FROM people)
		OR kind = 'meshProjectGroupBinding' AND subject IN (SELECT subject FROM groups)),
tenants AS (SELECT ` + columns + ` FROM documents WHERE kind = 'meshTenant' AND ($3 = '' OR platform = $3)
	AND (workspace, project) IN (SELECT workspace, project FROM bindings))
SELECT ` + columns + ` FROM (TABLE people UNION ALL TABLE groups UNION ALL TABLE bindings UNION ALL TABLE tenants) AS parts`

// HeldTenants returns the tenants of a platform whose last plan holds back, or leaves
// out as forbidden, what takes something from one of the accounts, by id or by name,
// or from everybody in a group. After a run that read nothing it is the plan of the last
// observation. Nothing else may know that they are there: somebody else put them in, or
// they were in a group that was taken over.
func (s *Store) HeldTenants(ctx context.Context, platform string, refs, names []string) ([]access.TenantID, error) {
	who := []string{
		`jsonb_path_exists(p.body::jsonb, '$.pendingApproval[*].have.group')`,
		`jsonb_path_exists(p.body::jsonb, '$.forbidden[*].have.group')`,
	}
	for _, people := range []string{
		`jsonb_path_query_array(p.body::jsonb, '$.pendingApproval[*].have.%s[*].%s') ?| `,
		`jsonb_path_query_array(p.body::jsonb, '$.forbidden[*].have.%s[*].%s') ?| `,
	} {
		for _, list := range []string{"members.accounts", "binding.subjects"} {
			who = append(who, fmt.Sprintf(people, list, "ref")+"$2", fmt.Sprintf(people, list, "name")+"$3")
		}
	}
	rows, err := s.pool.Query(ctx, `SELECT workspace, project, platform FROM statuses s JOIN plans p
			ON p.digest = CASE s.digest WHEN '' THEN s.observed_digest ELSE s.digest END
		WHERE platform = $1 AND ($2::text[] <> '{}' OR $3::text[] <> '{}') AND (`+strings.Join(who, " OR ")+`)
		ORDER BY workspace, project`, platform, notNil(refs), notNil(names))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowToStructByPos[access.TenantID])
	return tenants, prefixed(err)
}

// notNil is for conditions on an array, which NULL makes unknown.
func notNil(texts []string) []string { return append([]string{}, texts...) }
