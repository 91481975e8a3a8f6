package control

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// ForgetRequest gives up the cleanup of a platform that no longer exists.
type ForgetRequest struct {
	Platform string `json:"platform"`
	Reason   string `json:"reason"`
	// By is the caller.
	By     access.Actor `json:"-"`
	DryRun bool         `json:"dry_run,omitempty"`
}

// ForgetResult is what a platform's records are, or were.
type ForgetResult struct {
	Platform string `json:"platform"`
	store.ForgetResult
	Done bool `json:"done"`
}

// AbandonedPlatform is a platform whose cleanup was given up, with the decision.
type AbandonedPlatform struct {
	Platform string `json:"platform"`
	// Tenants and Objects count what was dropped.
	store.ForgetResult
	By string `json:"by"`
	// Claim is another name that the caller gave, which nothing verifies.
	Claim  string    `json:"claim,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// ListAbandoned is that of Platforms.
func (l *Local) ListAbandoned(ctx context.Context, platform string) ([]AbandonedPlatform, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.AbandonedPlatforms(ctx, platform)
	if err != nil {
		return nil, err
	}
	all := make([]AbandonedPlatform, len(found))
	for i, a := range found {
		all[i] = AbandonedPlatform{
			Platform: a.Platform, ForgetResult: a.ForgetResult, By: a.By.ID(), Claim: a.By.Claim, Reason: a.Reason, At: a.At.UTC(),
		}
	}
	return all, nil
}

// Validate reports the fields that are missing.
func (r ForgetRequest) Validate() error { return validateDecision(r.Reason, r.By) }

// validateDecision requires a reason and a name of the caller that can be kept.
func validateDecision(reason string, by access.Actor) error {
	if err := access.CheckReason(reason); err != nil {
		return invalidField("reason", "%v", err)
	}
	if by.ID() == "" {
		return invalidField("by", "the caller is unknown: it is kept with the decision")
	}
	if err := by.Check(); err != nil {
		return invalidField("by", "%v", err)
	}
	return nil
}

// Forget is that of Platforms.
func (l *Local) Forget(ctx context.Context, r ForgetRequest) (ForgetResult, error) {
	if err := r.Validate(); err != nil {
		return ForgetResult{}, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return ForgetResult{}, err
	}
	result, err := s.ForgetPlatform(ctx, r.Platform, r.Reason, r.By, r.DryRun)
	switch {
	case errors.Is(err, store.ErrStored):
		err = &Error{Code: Conflict, Name: r.Platform, Message: err.Error(), cause: err}
	case errors.Is(err, store.ErrNotFound):
		err = &Error{Code: NotFound, Name: r.Platform, Message: err.Error(), cause: err}
	}
	return ForgetResult{Platform: r.Platform, ForgetResult: result, Done: !r.DryRun}, err
}
