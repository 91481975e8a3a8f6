package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// recordsRead is how many of a tenant's newest steps are searched for a user.
const recordsRead = 10_000

// Platform describes a type of platform: its features, and the input of desired access.
type Platform struct {
	Profile driver.Profile
	Options desired.Options
}

// Reader gathers the facts from the store and the ledger. It asks no platform.
type Reader struct {
	Store *store.Store
	// Platform returns a type of platform, and false for one without a driver.
	Platform func(platformType string) (Platform, bool)
	// Refusal is that of Facts.
	Refusal func(class string) (code access.Code, permanent bool)
	// Completes reports whether a run with that outcome left nothing to add.
	Completes func(outcome string) bool
}

// User is the user of the question.
type User struct {
	// Name is the name as the caller wrote it; empty for all users.
	Name string
	// Document is the user's own; nil for a user without one. The ledger may still have the user.
	Document *document.User
}

// Read gathers the facts about a tenant and a user. It wraps store.ErrNotFound for a tenant that
// does not exist.
func (r Reader) Read(ctx context.Context, id access.TenantID, user User) (Facts, error) {
	in, err := r.Store.TenantInput(ctx, id)
	if err != nil {
		return Facts{}, err
	}
	platform, known := r.Platform(in.Platform.Type)
	if !known {
		return Facts{}, fmt.Errorf("explain: %s: no driver for platforms of the type %q", id, in.Platform.Type)
	}
	f := Facts{Input: in, Profile: platform.Profile, Refusal: r.Refusal, User: user.Name}
	if f.Now, err = r.Store.Now(ctx); err != nil { // what it is compared with has the same clock
		return Facts{}, err
	}
	if user.Document != nil {
		f.User, f.Account = user.Document.Name, AccountName(*user.Document, in.Platform)
	}
	if f.Desired, err = desired.Compute(in, platform.Options); err != nil {
		return Facts{}, err
	}
	reads := []func(context.Context, access.TenantID, *Facts) error{r.readLedger, r.readDecisions, r.readStatus, r.readRevocation}
	for _, read := range reads {
		if err := read(ctx, id, &f); err != nil {
			return Facts{}, err
		}
	}
	f.Shared, err = r.shared(ctx, platform, f)
	return f, err
}

func (r Reader) readLedger(ctx context.Context, id access.TenantID, f *Facts) (err error) {
	l := ledger.New(r.Store)
	if f.Records, err = l.Records(ctx, ledger.Filter{Tenant: id, Limit: recordsRead}); err != nil {
		return err
	}
	if f.Replacements, err = l.Renamings(ctx, id); err != nil {
		return err
	}
	f.Managed, err = l.Owned(ctx, id)
	return err
}

func (r Reader) readDecisions(ctx context.Context, id access.TenantID, f *Facts) (err error) {
	if f.Adoptions, err = r.Store.AllAdoptions(ctx, []access.TenantID{id}); err != nil {
		return err
	}
	if f.Decisions, err = r.Store.AllDecisions(ctx, []access.TenantID{id}); err != nil {
		return err
	}
	current, err := r.Store.Decisions(ctx, []access.TenantID{id})
	f.Current = current[id]
	return err
}

// readStatus adds the outcome of the tenant's last run, and the plan of the last observation, by
// that run or by one that goes on. A status of an earlier program has no observation: then it is the plan of the run.
func (r Reader) readStatus(ctx context.Context, id access.TenantID, f *Facts) error {
	statuses, err := r.Store.Statuses(ctx, store.TenantFilter{IDs: []access.TenantID{id}})
	if err != nil || len(statuses) == 0 {
		return err
	}
	f.Status, f.Replicated, f.Completed = statuses[0], true, r.Completes(statuses[0].Outcome)
	// A run that goes on has observed the tenant since.
	newer, found, err := r.Store.AppliedObservation(ctx, id, f.Status.Observed.At)
	if err != nil {
		return err
	}
	if found {
		f.Status.Observed = newer
	}
	digest := f.Status.Observed.Digest
	if f.Status.Observed.At.IsZero() {
		digest = f.Status.Digest
	}
	if digest == "" {
		return nil
	}
	f.Plan, _, err = r.Store.Plan(ctx, digest)
	return err
}

// readRevocation adds the state of the user's revocation on the platform.
func (r Reader) readRevocation(ctx context.Context, id access.TenantID, f *Facts) error {
	if f.User == "" {
		return nil
	}
	found, err := r.Store.Revocations(ctx, store.RevocationFilter{Person: f.User})
	if err != nil || len(found) == 0 {
		return err
	}
	i := slices.IndexFunc(found[0].Platforms, func(p store.RevokedPlatform) bool { return p.Platform == id.Platform })
	if i >= 0 {
		f.Revoked = &found[0].Platforms[i]
	}
	return nil
}

// shared returns the shared roles that the documents ask for on other tenants of the platform and
// that the ledger added to the user here, while they do not ask for them here.
func (r Reader) shared(ctx context.Context, platform Platform, f Facts) ([]SharedRole, error) {
	if len(platform.Profile.SharedRoles) == 0 || f.User == "" || f.Account == "" {
		return nil, nil
	}
	tenant := f.Input.Tenant.TenantID
	ids, err := r.Store.PersonTenants(ctx, f.User, "", tenant.Platform)
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id access.TenantID) bool { return id == tenant })
	inputs, err := r.Store.TenantInputs(ctx, ids)
	if err != nil {
		return nil, err
	}
	var all []SharedRole
	for _, in := range inputs {
		want, err := desired.Compute(in, platform.Options)
		if err != nil {
			return nil, err
		}
		for _, b := range want.State.Bindings {
			if slices.Contains(platform.Profile.SharedRoles, b.Role) && hasUser(b.Subjects, f.User) && f.grantedRole(b.Role) {
				all = append(all, SharedRole{b.Role, in.Tenant.TenantID})
			}
		}
	}
	return all, nil
}

// grantedRole reports whether the ledger added the user to the role, which the documents do not ask
// for here.
func (f Facts) grantedRole(role string) bool {
	if slices.ContainsFunc(f.Desired.State.Bindings, func(b access.Binding) bool { return b.Role == role && hasUser(b.Subjects, f.User) }) {
		return false
	}
	return slices.ContainsFunc(f.Records, func(r ledger.Record) bool {
		return isApplied(r) && r.Step.Key().Role == role && hasUser(r.Step.Adds(), f.User)
	})
}

func hasUser(members []access.Member, user string) bool {
	return slices.ContainsFunc(members, func(m access.Member) bool { return m.Person == user })
}

// AccountName returns the account that the platform's euidPattern makes of the user's euid, or ""
// if there is none.
func AccountName(u document.User, p document.Platform) string {
	pattern, err := euid.Parse(cmp.Or(p.Replication.EUIDPattern, euid.Default))
	if err != nil || strings.TrimSpace(u.EUID) == "" {
		return "" // apply refuses such a pattern
	}
	return pattern.Apply(u.EUID)
}

// WithoutTenant says why a user has no access to a tenant that does not exist. It wraps
// store.ErrNotFound if the project does not exist either.
func (r Reader) WithoutTenant(ctx context.Context, id access.TenantID, user User) (Answer, error) {
	docs, err := r.Store.Documents(ctx, store.Filter{Kind: document.KindProject, Name: id.ProjectID()})
	if err != nil {
		return Answer{}, err
	}
	if len(docs) == 0 {
		return Answer{}, fmt.Errorf("explain: %s: %w", id, store.ErrNotFound)
	}
	platforms, err := r.Store.Platforms(ctx)
	if err != nil {
		return Answer{}, err
	}
	reason := Reason{"no-tenant", fmt.Sprintf(
		"the project %s has no tenant on the platform %s: apply a meshTenant, or name another platform", id.ProjectID(), id.Platform)}
	if !slices.ContainsFunc(platforms, func(p document.Platform) bool { return p.Identifier() == id.Platform }) {
		names := make([]string, len(platforms))
		for i, p := range platforms {
			names[i] = fmt.Sprintf("%q", p.Identifier())
		}
		reason = Reason{"no-platform", fmt.Sprintf(
			"there is no platform %q; the platforms are: %s", id.Platform, cmp.Or(strings.Join(names, ", "), "none at all"))}
	}
	name := user.Name
	if user.Document != nil {
		name = user.Document.Name
	}
	return Answer{Tenant: id.ProjectID(), Platform: id.Platform, User: name, Reasons: []Reason{reason}}.complete(), nil
}
