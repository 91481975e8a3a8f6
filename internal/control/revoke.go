package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// revokePollInterval is how often to poll for the platforms that have accepted a revocation.
const revokePollInterval = 200 * time.Millisecond

// RevokeRequest takes all access from a user, everywhere.
type RevokeRequest struct {
	// User is the name of a meshUser.
	User   string `json:"user"`
	Reason string `json:"reason"`
	// By is the caller.
	By access.Actor `json:"-"`
	// Wait returns after every platform has accepted the revocation or is given up.
	Wait bool `json:"wait,omitempty"`
}

// Validate reports the fields that are missing.
func (r RevokeRequest) Validate() error {
	if r.User == "" {
		return invalidField("user", "the name of the user is missing")
	}
	return validateDecision(r.Reason, r.By)
}

// LiftRequest ends the revocation of a user.
type LiftRequest struct {
	User   string `json:"user"`
	Reason string `json:"reason"`
	// By is the caller.
	By access.Actor `json:"-"`
	// IfMatch is the state of the revocation, by RevocationTag, that the lift is for; nil for any.
	IfMatch *Precondition `json:"-"`
	// Wait returns after the end of the runs that grant access again, with their report.
	Wait bool `json:"wait,omitempty"`
}

// Validate reports the fields that are missing.
func (r LiftRequest) Validate() error {
	if r.User == "" {
		return invalidField("user", "the name of the user is missing")
	}
	return validateDecision(r.Reason, r.By)
}

// Revocation is a user whose access is, or was, revoked.
type Revocation struct {
	User   string    `json:"user"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	Claim  string    `json:"claim,omitempty"`
	At     time.Time `json:"at"`
	// Repeats are the later requests for the same revocation, the oldest first.
	Repeats   []Repeat          `json:"repeats,omitempty"`
	Lifted    *Lifted           `json:"lifted,omitempty"`
	Platforms []RevokedPlatform `json:"platforms"`
}

// Repeat is one more request for a revocation that stood already.
type Repeat struct {
	By     string    `json:"by"`
	Claim  string    `json:"claim,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Lifted is the end of a revocation.
type Lifted struct {
	By     string    `json:"by"`
	Claim  string    `json:"claim,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// RevokedPlatform is the state of a revocation on one platform.
type RevokedPlatform struct {
	Platform string                `json:"platform"`
	State    store.RevocationState `json:"state"`
	// AcceptedMS is the time until the platform had accepted all removals; 0 until then.
	AcceptedMS int64 `json:"accepted_ms"`
	// EffectiveMS is the time from then within which access really ends, by the vendor's
	// documents; nil where they name no longest time.
	EffectiveMS *int64                 `json:"effective_within_ms"`
	Effective   driver.AccessEndReport `json:"access_end"`
	Tenants     int                    `json:"tenants"`
	Sets        int                    `json:"sets"`
	Calls       int                    `json:"calls"`
	Problem     string                 `json:"problem,omitempty"`
	Warnings    []access.Remark        `json:"warnings,omitempty"`
	// Open are the groups and roles that still have the user, or may have.
	Open []OpenPlace `json:"open,omitempty"`
}

// OpenPlace is a group or role that still has a revoked user.
type OpenPlace struct {
	Tenant string `json:"tenant"`
	Object string `json:"object"`
	// Found is true where a read found the user there, and Rollcall had not added them.
	Found bool `json:"found,omitempty"`
}

// RevokeResult is the result of a revocation.
type RevokeResult struct {
	Revocation Revocation `json:"revocation"`
	// Failure says why the revocation is not complete on all platforms; it is set only if the
	// request waits.
	Failure string `json:"failure,omitempty"`
}

// LiftResult is the result of a lift.
type LiftResult struct {
	Revocation Revocation `json:"revocation"`
	// Tenants counts the tenants on which the documents grant the user access. The
	// replication is zero without any.
	Tenants     int             `json:"tenants"`
	Replication ReplicateResult `json:"replication"`
}

// ListRevocations is that of Revocations.
func (l *Local) ListRevocations(ctx context.Context, lifted bool) ([]Revocation, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.Revocations(ctx, store.RevocationFilter{Lifted: lifted})
	if err != nil {
		return nil, err
	}
	ends, err := l.accessEnds(ctx, s)
	if err != nil {
		return nil, err
	}
	revocations := []Revocation{}
	for _, r := range found {
		revocations = append(revocations, revocationOf(r, ends))
	}
	return revocations, nil
}

// GetRevocation is that of Revocations.
func (l *Local) GetRevocation(ctx context.Context, user string) (Revocation, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return Revocation{}, err
	}
	found, err := s.Revocations(ctx, store.RevocationFilter{Person: user, Lifted: true})
	if err != nil {
		return Revocation{}, err
	}
	if len(found) == 0 {
		known, err := s.Documents(ctx, store.Filter{Kind: document.KindUser, Name: user})
		switch {
		case err != nil:
			return Revocation{}, err
		case len(known) == 0:
			return Revocation{}, unknownUser(ctx, s, user)
		}
		return Revocation{}, notRevoked(user)
	}
	i := slices.IndexFunc(found, func(r store.Revocation) bool { return r.LiftedAt.IsZero() })
	ends, err := l.accessEnds(ctx, s)
	return revocationOf(found[max(0, i)], ends), err
}

// Revoke is that of Revocations.
func (l *Local) Revoke(ctx context.Context, r RevokeRequest, report func(Event)) (RevokeResult, error) {
	if err := r.Validate(); err != nil {
		return RevokeResult{}, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return RevokeResult{}, err
	}
	stored, err := s.Revoke(ctx, r.User, r.Reason, r.By, revocationStarts)
	if errors.Is(err, store.ErrNotFound) {
		return RevokeResult{}, unknownUser(ctx, s, r.User)
	}
	if err != nil {
		return RevokeResult{}, err
	}
	ends, err := l.accessEnds(ctx, s)
	if err != nil {
		return RevokeResult{}, err
	}
	events := newReporter(report)
	if len(stored.Repeats) > 0 {
		revocation := revocationOf(stored, ends)
		events.send(Event{Type: EventRepeated, Revocation: &revocation})
	}
	id := workflows.RevokeUserID(stored.ID)
	t, runs, err := l.drain(ctx, s, []string{id})
	if err != nil {
		return RevokeResult{}, err
	}
	if _, err := l.reportNoWorker(ctx, t, events); err != nil {
		return RevokeResult{}, err
	}
	var failure string
	if r.Wait {
		if failure, err = awaitRevocation(ctx, s, stored, runs[id], ends, events); err != nil {
			return RevokeResult{}, err
		}
	}
	revocation, err := l.GetRevocation(ctx, r.User)
	return RevokeResult{Revocation: revocation, Failure: failure}, err
}

// revocationStarts returns the start of the run of a revocation.
func revocationStarts(id string, platforms []string) ([]store.Start, error) {
	stored, err := start{
		id: workflows.RevokeUserID(id), workflow: workflows.RevokeUserWorkflow, summary: "take a user out of everything",
		input: workflows.RevokeUserInput{ID: id, Platforms: platforms, Cause: "revoke"}, cause: "revoke",
		priority: engine.Priority(engine.PriorityRevoke, id),
	}.stored()
	return []store.Start{stored}, err
}

// awaitRevocation waits until every platform has accepted the removals or is given up, and
// reports each that has accepted them. It returns why the workflow failed, if it did.
func awaitRevocation(
	ctx context.Context, s *store.Store, r store.Revocation, run client.WorkflowRun,
	ends map[string]driver.AccessEnd, events *reporter,
) (failure string, err error) {
	events.start(len(r.Platforms))
	end := make(chan error, 1)
	go func() { end <- run.Get(ctx, nil) }()
	reported := map[string]bool{}
	var failed error
	for open := true; open; {
		select {
		case failed = <-end:
			open = false
		case <-time.After(revokePollInterval):
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		found, err := s.Revocations(ctx, store.RevocationFilter{ID: r.ID, Lifted: true})
		if err != nil || len(found) == 0 {
			return "", err
		}
		events.accepted(revocationOf(found[0], ends), reported)
		open = open && len(reported) < len(r.Platforms)
	}
	if failed != nil {
		return workflows.Reason(failed), nil
	}
	return "", nil
}

// accepted reports the platforms that have accepted a revocation, each once.
func (r *reporter) accepted(revocation Revocation, reported map[string]bool) {
	for _, p := range revocation.Platforms {
		if p.AcceptedMS > 0 && !reported[p.Platform] {
			reported[p.Platform] = true
			r.send(Event{Type: EventAccepted, Accepted: &p})
		}
	}
	r.set(len(reported))
}

// Lift is that of Revocations.
func (l *Local) Lift(ctx context.Context, r LiftRequest, report func(Event)) (LiftResult, error) {
	if err := r.Validate(); err != nil {
		return LiftResult{}, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return LiftResult{}, err
	}
	active, err := s.Revocations(ctx, store.RevocationFilter{Person: r.User})
	if err != nil {
		return LiftResult{}, err
	}
	if len(active) == 0 {
		return LiftResult{}, notRevoked(r.User)
	}
	tenants, err := s.PersonTenants(ctx, r.User, active[0].EUID, "")
	if err != nil {
		return LiftResult{}, err
	}
	starts, err := tenantStarts(ctx, s, tenants, "lift")
	if err != nil {
		return LiftResult{}, err
	}
	switch err = r.lift(ctx, s, active[0], starts); {
	case errors.Is(err, store.ErrNotFound):
		return LiftResult{}, notRevoked(r.User)
	case errors.Is(err, store.ErrChanged):
		return LiftResult{}, revocationChanged(r.User)
	}
	if err != nil {
		return LiftResult{}, err
	}
	l.endVerifications(ctx, active[0])
	result, events := LiftResult{Tenants: len(tenants)}, newReporter(report)
	events.send(Event{Type: EventLifted, Total: len(tenants)})
	if len(tenants) > 0 {
		result.Replication, err = replication{local: l, cause: "lift", wait: r.Wait, events: events}.startStored(ctx, tenants)
		if err != nil {
			return result, err
		}
	}
	result.Revocation, err = l.GetRevocation(ctx, r.User)
	return result, err
}

// lift stores the lift, on its condition.
func (r LiftRequest) lift(ctx context.Context, s *store.Store, active store.Revocation, starts []store.Start) error {
	if r.IfMatch == nil || r.IfMatch.Any {
		return s.Lift(ctx, r.User, r.Reason, r.By, starts...)
	}
	tag, err := RevocationTag(revocationOf(active, nil))
	if err != nil {
		return err
	}
	if !r.IfMatch.has(tag) {
		return revocationChanged(r.User)
	}
	return s.LiftUnchanged(ctx, active, r.Reason, r.By, starts...)
}

func revocationChanged(user string) error {
	return preconditionFailed("the revocation of %q is another one than that of If-Match: nothing was lifted, read it again", user)
}

// endVerifications signals the verifications of a lifted revocation, which then end. One
// without a signal ends when it next polls.
func (l *Local) endVerifications(ctx context.Context, r store.Revocation) {
	for _, p := range r.Platforms {
		if p.State != store.RevocationAccepted {
			continue
		}
		t, err := l.Temporal(ctx)
		if err != nil {
			return
		}
		id := workflows.VerifyRevocationID(r.ID, p.Platform)
		_ = t.Client.SignalWorkflow(ctx, id, "", workflows.TriggerSignal, workflows.Trigger{Cause: "lift"})
	}
}

// accessEnds returns, for each stored platform, the time until access ends after a removal.
// A platform whose document is deleted has none, which reads as unknown.
func (l *Local) accessEnds(ctx context.Context, s *store.Store) (map[string]driver.AccessEnd, error) {
	platforms, err := s.Platforms(ctx)
	if err != nil {
		return nil, err
	}
	ends := make(map[string]driver.AccessEnd, len(platforms))
	for _, p := range platforms {
		described, _ := l.Platform(p.Type)
		ends[p.Identifier()] = described.Profile.AccessEnd
	}
	return ends, nil
}

func revocationOf(r store.Revocation, ends map[string]driver.AccessEnd) Revocation {
	revocation := Revocation{
		User: r.Person, Reason: r.Reason, By: r.By.ID(), Claim: r.By.Claim, At: r.At.UTC(), Platforms: []RevokedPlatform{},
	}
	for _, repeat := range r.Repeats {
		revocation.Repeats = append(revocation.Repeats, Repeat{repeat.By.ID(), repeat.By.Claim, repeat.Reason, repeat.At.UTC()})
	}
	if !r.LiftedAt.IsZero() {
		revocation.Lifted = &Lifted{r.LiftedBy.ID(), r.LiftedBy.Claim, r.LiftReason, r.LiftedAt.UTC()}
	}
	for _, p := range r.Platforms {
		end := ends[p.Platform].Report()
		platform := RevokedPlatform{
			Platform: p.Platform, State: p.State, AcceptedMS: p.Took.Milliseconds(), EffectiveMS: end.WithinMS, Effective: end,
			Tenants: p.Tenants, Sets: p.Sets, Calls: p.Calls, Problem: p.Problem, Warnings: p.Remarks,
		}
		for _, o := range p.Open {
			platform.Open = append(platform.Open, OpenPlace{Tenant: o.Tenant.String(), Object: o.Object, Found: o.Found})
		}
		revocation.Platforms = append(revocation.Platforms, platform)
	}
	return revocation
}

// notRevoked is the error of a user without a revocation.
func notRevoked(user string) error {
	return &Error{Code: NotFound, Kind: KindRevocation, Name: user, Message: fmt.Sprintf("the access of %q is not revoked", user)}
}

// unknownUser is the error of a user that neither a document nor the ledger has. The caller
// may have named one by another name.
func unknownUser(ctx context.Context, s *store.Store, name string) error {
	user, known, err := findUser(ctx, s, name)
	if err != nil {
		return err
	}
	e := &Error{Code: NotFound, Kind: kindUser, Name: name}
	if known && user.Name != name {
		e.Kind = ""
		e.Message = fmt.Sprintf("%q: there is no such meshUser; it is the euid or the email of %s: name that", name, user.Name)
		return e
	}
	e.Message = fmt.Sprintf("%q: there is no such meshUser, and Rollcall never gave one of that name anything", name)
	return e
}
