package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// reportLifetime is how long a worker's report counts without another.
const reportLifetime = "1 minute"

// ConnectionReport is a connection that one worker holds, as it reported it.
type ConnectionReport struct {
	Worker string
	Name   string
	Type   string // empty for a file that cannot be read
	UsedBy []string
	Digest string
	// Error is why the connection cannot be used, or why the platform does not accept
	// the account; empty if nothing is known to be wrong.
	Error string
	// Checked is when the platform was requested last; zero for never.
	Checked time.Time
	// Answers is the request that the last check answers, see RequestConnectionCheck; zero for
	// none.
	Answers  time.Time
	Reported time.Time
}

// UnservedPlatform is a platform that one worker does not serve.
type UnservedPlatform struct {
	Worker, Platform, Reason string
	Reported                 time.Time
}

// ReportConnections replaces what a worker holds and does not serve. It drops the
// reports of workers that are gone, and returns when a check of all connections was
// last requested, zero for never. With nothing to report it withdraws the worker.
func (s *Store) ReportConnections(
	ctx context.Context, worker string, reports []ConnectionReport, unserved []UnservedPlatform,
) (requested time.Time, err error) {
	err = prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for _, table := range []string{"connections", "unserved_platforms"} {
			batch.Queue("DELETE FROM "+table+" WHERE worker = $1 OR reported_at < now() - interval '"+reportLifetime+"'", worker)
		}
		for _, c := range reports {
			batch.Queue(`INSERT INTO connections (worker, name, type, used_by, digest, error, checked_at, answers)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
				worker, c.Name, c.Type, append([]string{}, c.UsedBy...), c.Digest, c.Error, orNull(c.Checked), orNull(c.Answers))
		}
		for _, u := range unserved {
			batch.Queue("INSERT INTO unserved_platforms (worker, platform, reason) VALUES ($1, $2, $3)", worker, u.Platform, u.Reason)
		}
		batch.Queue("SELECT coalesce(connection_check, 'epoch') FROM installation").
			QueryRow(func(r pgx.Row) error { return r.Scan(&requested) })
		return tx.SendBatch(ctx, batch).Close()
	}))
	return fromNull(requested), err
}

// orNull is the time, or NULL for none.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// fromNull is the time that was read with 'epoch' for NULL.
func fromNull(t time.Time) time.Time {
	if t.Unix() == 0 {
		return time.Time{}
	}
	return t
}

// ConnectionReports returns what the workers that run report, sorted by name and worker.
func (s *Store) ConnectionReports(ctx context.Context) ([]ConnectionReport, error) {
	rows, err := s.pool.Query(ctx, `SELECT worker, name, type, used_by, digest, error,
			coalesce(checked_at, 'epoch'), coalesce(answers, 'epoch'), reported_at
		FROM connections WHERE reported_at >= now() - interval '`+reportLifetime+`' ORDER BY name, worker`)
	if err != nil {
		return nil, prefixed(err)
	}
	reports, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ConnectionReport])
	for i := range reports {
		reports[i].Checked, reports[i].Answers = fromNull(reports[i].Checked), fromNull(reports[i].Answers)
	}
	return reports, prefixed(err)
}

// UnservedPlatforms returns the platforms that some worker does not serve, sorted by
// platform and worker.
func (s *Store) UnservedPlatforms(ctx context.Context) ([]UnservedPlatform, error) {
	rows, err := s.pool.Query(ctx, `SELECT worker, platform, reason, reported_at
		FROM unserved_platforms WHERE reported_at >= now() - interval '`+reportLifetime+`' ORDER BY platform, worker`)
	if err != nil {
		return nil, prefixed(err)
	}
	unserved, err := pgx.CollectRows(rows, pgx.RowToStructByPos[UnservedPlatform])
	return unserved, prefixed(err)
}

// RequestConnectionCheck tells all workers to check their connections, and returns when that
// was, by the database's clock.
func (s *Store) RequestConnectionCheck(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := s.one(ctx, &at, "UPDATE installation SET connection_check = clock_timestamp() RETURNING connection_check")
	return at, err
}

// FormerConnection is what a platform's document said before connections: the part of
// spec.config.<type> that belongs to a connection now.
type FormerConnection struct {
	Platform, Type string
	Settings       json.RawMessage
}

// FormerConnections returns those of all platforms that were stored then.
func (s *Store) FormerConnections(ctx context.Context) ([]FormerConnection, error) {
	rows, err := s.pool.Query(ctx, "SELECT platform, type, settings FROM former_connections ORDER BY platform")
	if err != nil {
		return nil, prefixed(err)
	}
	former, err := pgx.CollectRows(rows, pgx.RowToStructByPos[FormerConnection])
	return former, prefixed(err)
}

// ErrStored reports a platform that documents still describe.
var ErrStored = errors.New("the platform is stored")

// ForgetResult says how much was forgotten of a platform.
type ForgetResult struct {
	Tenants int `json:"tenants"`
	Objects int `json:"objects"`
}

// AbandonedPlatform is a platform whose cleanup was given up.
type AbandonedPlatform struct {
	Platform string
	Reason   string
	By       access.Actor
	At       time.Time
	ForgetResult
}

// AbandonedPlatforms returns the platforms whose cleanup was given up, the newest first; those
// of one identifier if it is not empty.
func (s *Store) AbandonedPlatforms(ctx context.Context, platform string) ([]AbandonedPlatform, error) {
	rows, err := s.pool.Query(ctx, `SELECT platform, reason, actor, claim, at, tenants, objects
		FROM abandoned_platforms WHERE $1 = '' OR platform = $1 ORDER BY id DESC`, platform)
	if err != nil {
		return nil, prefixed(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a AbandonedPlatform, err error) {
		var actor, claim string
		err = row.Scan(&a.Platform, &a.Reason, &actor, &claim, &a.At, &a.Tenants, &a.Objects)
		a.By = access.ParseActor(actor, claim)
		return a, err
	})
	return all, prefixed(err)
}

// RemovedBy returns the actor who removed the document of a platform, and the authors of the
// changes of its removed tenants that are not applied. An actor that is not known is among
// them.
func (s *Store) RemovedBy(ctx context.Context, platform string) ([]access.Actor, error) {
	return s.actors(ctx, `SELECT DISTINCT actor FROM (
		SELECT coalesce((SELECT actor FROM removed_platforms WHERE platform = $1), '') AS actor
		UNION ALL SELECT unnest(authors) FROM affected_tenants JOIN tombstones USING (tenant) WHERE platform = $1) AS removed`, platform)
}

// queueRemovedPlatforms notes the actor who removes documents of platforms.
func queueRemovedPlatforms(batch *pgx.Batch, c *comparison, by access.Actor) {
	var removed []string
	for _, r := range c.removed {
		if r.ID.Kind == document.KindPlatform {
			removed = append(removed, r.ID.Name)
		}
	}
	if len(removed) == 0 {
		return
	}
	batch.Queue(`INSERT INTO removed_platforms (platform, actor) SELECT unnest($1::text[]), $2
		ON CONFLICT (platform) DO UPDATE SET actor = excluded.actor, at = now()`, removed, by.ID())
}

// ForgetPlatform drops the removed tenants of a platform that no document describes
// any more, with all that the ledger says they own there, without touching the
// platform. The reason and who gave it are kept. Where nothing changes, dry is what
// would be forgotten. A platform that is stored is ErrStored, one without removed
// tenants ErrNotFound.
func (s *Store) ForgetPlatform(ctx context.Context, platform, reason string, by access.Actor, dry bool) (ForgetResult, error) {
	if err := checkDecided(by, reason); err != nil {
		return ForgetResult{}, err
	}
	var f ForgetResult
	err := prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// A platform that comes back meanwhile would find its ledger gone.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", applyLock); err != nil {
			return err
		}
		var stored bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM documents WHERE kind = 'meshPlatform' AND name = $1),
			(SELECT count(*) FROM `+remembered+` AS removed WHERE platform = $1), (SELECT count(*) FROM owned WHERE platform = $1)`,
			platform).Scan(&stored, &f.Tenants, &f.Objects)
		switch {
		case err != nil:
			return err
		case stored:
			return fmt.Errorf("platform %s: %w: delete its document first", platform, ErrStored)
		case f.Tenants == 0:
			return fmt.Errorf("platform %s: %w: no removed tenant of it waits for a cleanup", platform, ErrNotFound)
		case dry:
			return nil
		}
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO abandoned_platforms (platform, reason, actor, claim, tenants, objects) VALUES ($1, $2, $3, $4, $5, $6)",
			platform, reason, by.ID(), by.Claim, f.Tenants, f.Objects)
		for _, table := range []string{"allocations", "affected_tenants", "statuses"} {
			batch.Queue("DELETE FROM "+table+" WHERE tenant IN (SELECT tenant FROM tombstones WHERE platform = $1)", platform)
		}
		batch.Queue(`UPDATE decisions SET ended_at = now(), ended = 'abandoned'
			WHERE ended_at IS NULL AND tenant IN (SELECT tenant FROM tombstones WHERE platform = $1)`, platform)
		batch.Queue("DELETE FROM former_tenants WHERE platform = $1", platform)
		batch.Queue("DELETE FROM removed_platforms WHERE platform = $1", platform)
		batch.Queue("DELETE FROM owned WHERE platform = $1", platform)
		batch.Queue("DELETE FROM former_connections WHERE platform = $1", platform)
		batch.Queue("DELETE FROM tombstones WHERE platform = $1", platform)
		batch.Queue("UPDATE installation SET platforms_version = platforms_version + 1")
		return tx.SendBatch(ctx, batch).Close()
	}))
	return f, err
}
