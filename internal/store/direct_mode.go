package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// DirectMode says whether commands may use the database without a server.
type DirectMode struct {
	Allowed bool
	// Reason, By and At are those of the decision; zero if there was none, which allows.
	Reason string
	By     access.Actor
	At     time.Time
}

// DirectMode returns the last decision about commands that use the database.
func (s *Store) DirectMode(ctx context.Context) (DirectMode, error) {
	m := DirectMode{Allowed: true}
	var actor, claim string
	err := s.pool.QueryRow(ctx, "SELECT allowed, reason, actor, claim, at FROM direct_modes ORDER BY id DESC LIMIT 1").
		Scan(&m.Allowed, &m.Reason, &actor, &claim, &m.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, nil
	}
	m.By = access.ParseActor(actor, claim)
	return m, prefixed(err)
}

// SetDirectMode decides whether commands may use the database. Only the database's owner may:
// see Grant. Decisions are kept for ever.
func (s *Store) SetDirectMode(ctx context.Context, allowed bool, reason string, by access.Actor) error {
	if err := checkDecided(by, reason); err != nil {
		return err
	}
	return s.exec(ctx, "INSERT INTO direct_modes (allowed, reason, actor, claim) VALUES ($1, $2, $3, $4)",
		allowed, reason, by.ID(), by.Claim)
}
