package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Call is a call of the server.
type Call struct {
	ID int64
	At time.Time
	// Request is the ID of the request, which logs have, too.
	Request string
	By      access.Actor
	// Remote is the address that the call came from.
	Remote string
	Method string
	// Parameters are the request without the bodies of documents, a JSON object.
	Parameters json.RawMessage
	// EndedAt is zero for a call that runs, or whose server ended.
	EndedAt time.Time
	// Code is done or the code of the failure; empty before the end.
	Code string
	// Effect is what the call changed, a JSON object; nil for a call that changed nothing.
	Effect json.RawMessage
}

// PutCall stores a call that begins, or one that has ended already if it has a code, and returns
// its ID. The time is the database's.
func (s *Store) PutCall(ctx context.Context, c Call) (int64, error) {
	var id int64
	err := s.one(ctx, &id, `INSERT INTO calls (request, actor, remote, method, parameters, code, ended_at, effect)
		VALUES ($1, $2, $3, $4, $5, nullif($6, ''), CASE $6 WHEN '' THEN NULL ELSE now() END, $7) RETURNING id`,
		c.Request, c.By.ID(), c.Remote, c.Method, c.Parameters, c.Code, c.Effect)
	return id, err
}

// EndCall completes a call.
func (s *Store) EndCall(ctx context.Context, id int64, code string, effect json.RawMessage) error {
	return s.exec(ctx, "UPDATE calls SET ended_at = now(), code = $2, effect = $3 WHERE id = $1 AND code IS NULL", id, code, effect)
}

// CallFilter chooses calls. Zero fields choose all.
type CallFilter struct {
	// Before chooses calls with lower IDs, Limit how many at most.
	Before int64
	Limit  int
	// Actor is the ID of a caller.
	Actor, Method, Code string
	Since               time.Time
}

// Calls returns the chosen calls, the newest first.
func (s *Store) Calls(ctx context.Context, f CallFilter) ([]Call, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, at, request, actor, remote, method, parameters, ended_at, coalesce(code, ''), effect
		FROM calls WHERE ($1 = 0 OR id < $1) AND ($2 = '' OR actor = $2) AND ($3 = '' OR method = $3) AND ($4 = '' OR code = $4)
			AND ($5::timestamptz IS NULL OR at >= $5)
		ORDER BY id DESC LIMIT $6`, f.Before, f.Actor, f.Method, f.Code, nullTime(f.Since), f.Limit)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	calls, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Call, err error) {
		var actor string
		var ended *time.Time
		err = row.Scan(&c.ID, &c.At, &c.Request, &actor, &c.Remote, &c.Method, &c.Parameters, &ended, &c.Code, &c.Effect)
		c.By = access.ParseActor(actor, "")
		if ended != nil {
			c.EndedAt = *ended
		}
		return c, err
	})
	return calls, prefixed(err)
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// RefusedCalls counts requests without a valid credential in one minute.
type RefusedCalls struct {
	Minute time.Time `json:"minute"`
	// Remote is the address that they came from; empty for those of many.
	Remote string `json:"remote"`
	// Code says why the credential was refused.
	Code  string `json:"code"`
	Count int64  `json:"count"`
}

// AddRefusedCalls counts requests of the current minute, by the database's clock.
func (s *Store) AddRefusedCalls(ctx context.Context, refused []RefusedCalls) error {
	var remotes, codes []string
	var counts []int64
	for _, r := range refused {
		remotes, codes, counts = append(remotes, r.Remote), append(codes, r.Code), append(counts, r.Count)
	}
	// Rows are locked in one order, so that two servers wait for each other.
	return s.exec(ctx, `INSERT INTO refused_calls AS r (minute, remote, code, count)
		SELECT date_trunc('minute', now()), remote, code, count FROM unnest($1::text[], $2::text[], $3::bigint[]) AS t (remote, code, count)
		ORDER BY remote, code
		ON CONFLICT (minute, remote, code) DO UPDATE SET count = r.count + excluded.count`, remotes, codes, counts)
}

// RefusedCalls returns the requests without a valid credential since a time, the newest first,
// at most limit rows.
func (s *Store) RefusedCalls(ctx context.Context, since time.Time, limit int) ([]RefusedCalls, error) {
	rows, err := s.pool.Query(ctx, `SELECT minute, remote, code, count FROM refused_calls
		WHERE minute >= $1 ORDER BY minute DESC, count DESC, remote, code LIMIT $2`, since, limit)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	refused, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RefusedCalls])
	return refused, prefixed(err)
}
