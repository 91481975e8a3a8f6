package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Tenant is one tenant between its documents and its plan. Each part is the result of one
// phase of Reconciler.Compare, which replaces it whole.
type Tenant struct {
	inputs
	accounts
	observed
	answers
	comparison
}

// inputs is what the documents and the database say.
type inputs struct {
	document document.TenantInput
	// everyGroup is true where managed groups are read although the documents give the
	// tenant no id on its platform: accounts may be in them.
	everyGroup bool
	desired    desired.Desired
	// decisions are about removals that a guard holds.
	decisions []store.Decision
	// adoptions are groups that a user asked to adopt, adopt the names of groups to plan
	// as if a user had.
	adoptions []store.Adoption
	adopt     []string
	// immovable are roles that the platform refused to take in this run.
	immovable []plan.Removal
	// proposal is the digest of the change of documents that is planned as if it was
	// stored; empty for none.
	proposal string
	// connection is the digest of the connection that the platform is observed with.
	connection string
	// startedAt is when the comparison startedAt, by the database's clock, where another run may
	// have stored a status since; zero for the run's own.
	startedAt time.Time
}

// accounts is what the platform answers about accounts.
type accounts struct {
	resolved desired.Settled
	// revoked are the accounts of the platform that are known to be revoked by name.
	revoked map[string]bool
	// remembered are the names of which the answer is older than this run's lookups.
	remembered map[string]bool
}

// observed is what is on the platform, and which of it is managed.
type observed struct {
	seen driver.Observation
	// at is when the read began, by this machine's clock.
	at      time.Time
	managed []plan.Owned
}

// answers are what a first plan does not know.
type answers struct {
	// elsewhere are shared roles of users here that other tenants desire.
	elsewhere []access.Binding
	// unmanaged are accounts in managed sets that Rollcall never added.
	unmanaged []plan.Removal
	earlier   earlier
}

// comparison is what differs, and the plan with all warnings.
type comparison struct {
	compared plan.Comparison
	plan     plan.Plan
	// missing are managed objects of a removed tenant that do not exist any more, as
	// far as the platform shows after its propagation delay.
	missing     []access.Key
	propagation time.Duration
}

// ID returns the tenant's ID.
func (t *Tenant) ID() access.TenantID { return t.document.Tenant.TenantID }

// Document returns the documents of the tenant.
func (t *Tenant) Document() document.TenantInput { return t.document }

// Plan returns the plan, with all warnings.
func (t *Tenant) Plan() plan.Plan { return t.plan }

// Observed returns the state on the platform.
func (t *Tenant) Observed() access.State { return t.seen.State }

// Managed returns the objects that the ledger has as managed.
func (t *Tenant) Managed() []plan.Owned { return t.managed }

// NotFound reports whether the platform has no such tenant.
func (t *Tenant) NotFound() bool { return t.seen.Missing }

// DesiredDigest names what the documents ask for.
func (t *Tenant) DesiredDigest() string { return t.desired.Digest() }

// InSync reports whether nothing differs. A managed object that only its marker tells of
// may be one that this run removed and that the platform still shows.
func (t *Tenant) InSync() bool {
	return len(t.plan.Steps) == 0 && !slices.ContainsFunc(t.plan.Remarks, func(r access.Remark) bool {
		return r.Code == access.OwnershipUnclear
	})
}

// absent reports whether there is nothing to plan on the platform: it has no such
// tenant. If the documents have none either, its groups are still planned: on many
// platforms they outlive the tenant.
func (t *Tenant) absent() bool { return t.NotFound() && !t.document.Deleted }

// needsFresh reports whether the plan must not rest on remembered knowledge.
func (t *Tenant) needsFresh() bool {
	return t.plan.Removes() || len(t.adopted()) > 0 || slices.ContainsFunc(t.plan.Remarks, func(r access.Remark) bool {
		return r.Code == access.ObjectForeign || r.Code == access.OwnershipUnclear || r.Code == access.CleanupOff ||
			r.Code == access.RemovalsForbidden
	})
}

// removalsKnown reports whether the plan has every removal that the documents ask for: the
// platform has the tenant, and each object there is known to be managed or not. Else some
// come up later.
func (t *Tenant) removalsKnown() bool {
	return !t.absent() && !slices.ContainsFunc(t.plan.Remarks, func(r access.Remark) bool { return r.Code == access.OwnershipUnclear })
}

// compare makes the plan, with all warnings. It changes nothing.
func (t *Tenant) compare(profile driver.Profile, installation string) comparison {
	if t.absent() {
		return comparison{plan: plan.Plan{Tenant: t.ID(), Remarks: []access.Remark{t.notFoundWarning()}}}
	}
	c := t.with(plan.Compare(t.planInput(profile, installation)))
	if t.document.Deleted {
		c.missing, c.propagation = t.missingObjects(profile), profile.Settle
	}
	return c
}

// with returns the comparison whose plan has the warnings about accounts, too.
func (t *Tenant) with(c plan.Comparison) comparison {
	p := c.Plan
	p.Connection = t.connection
	p.Remarks = access.SortRemarks(slices.Concat(p.Remarks, t.resolved.Remarks))
	return comparison{compared: c, plan: p, missing: t.missing, propagation: t.propagation}
}

// planInput returns all that the plan depends on.
func (t *Tenant) planInput(profile driver.Profile, installation string) plan.Input {
	approved, rejected := t.decided()
	return plan.Input{
		Tenant:   t.ID(),
		Desired:  t.resolved.State,
		Observed: t.seen.State,
		Owned:    t.managed,
		Keep:     t.resolved.Keep,

		Newcomers: t.resolved.Newcomers,
		Elsewhere: t.elsewhere,
		Approved:  approved,
		Rejected:  rejected,
		Adopted:   t.adopted(),
		Revoked:   t.revokedMembers(),
		Strangers: t.unmanaged,
		Ended:     t.ended(profile),

		RefusedMembers: t.earlier.refused,
		Emptied:        t.earlier.emptied,
		Immovable:      t.immovable,
		Rules:          Rules(profile, t.document, installation),
	}
}

// decided sorts the decisions about removals.
func (t *Tenant) decided() (approved []plan.Removal, rejected []plan.Rejection) {
	for _, d := range t.decisions {
		if d.Verdict == store.Approved {
			approved = append(approved, d.Removal)
			continue
		}
		r := plan.Rejection{Removal: d.Removal}
		if d.Verdict == store.Rejected {
			r.By, r.Reason = d.By.String(), d.Reason
		}
		rejected = append(rejected, r)
	}
	return approved, rejected
}

func (t *Tenant) notFoundWarning() access.Remark {
	id := t.document.Tenant.LocalID
	text := fmt.Sprintf("the platform has no tenant with the id %q: correct the tenant's id, or create it there", id)
	if id == "" {
		text = "the tenant has no id on its platform yet: set platformTenantId (localId in v3)"
	}
	return access.Remark{Code: access.TenantNotFound, Object: t.ID().String(), Text: text}
}

// adopted are the groups that the plan may adopt: those that a user asked for, and those
// on the platform with the names of Options.Adopt. Of two groups with one name it is not
// known which is meant.
func (t *Tenant) adopted() []plan.Owned {
	var all []plan.Owned
	for _, a := range t.adoptions {
		all = append(all, plan.Owned{Key: access.Group{Name: a.Group}.Key(), Ref: a.Ref})
	}
	for _, name := range t.adopt {
		if seen := t.groupsNamed(name); len(seen) == 1 {
			all = append(all, plan.Owned{Key: seen[0].Key(), Ref: seen[0].Ref})
		}
	}
	return all
}

func (t *Tenant) groupsNamed(name string) []access.Group {
	return slices.DeleteFunc(slices.Clone(t.seen.State.Groups), func(g access.Group) bool { return g.Name != name })
}

// missingObjects are the objects of the ledger that the platform does not have any more.
// Of roles that tenants share that cannot be said: they are not this tenant's alone, and
// they may lie beside a tenant that is missing. Nor can it be said of roles of users where
// the documents give the tenant no id: nothing reads the place where the roles are.
func (t *Tenant) missingObjects(profile driver.Profile) []access.Key {
	seen := map[access.Key]bool{}
	for _, g := range t.seen.State.Groups {
		seen[g.Key()] = true
	}
	for _, b := range t.seen.State.Bindings {
		seen[b.Key()] = true
	}
	var keys []access.Key
	for _, o := range t.managed {
		unread := t.document.Tenant.LocalID == "" && o.Key.Kind == access.KindBinding && o.Key.Group == ""
		if !unread && !seen[o.Key] && !slices.Contains(profile.SharedRoles, o.Key.Role) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// ended returns the members here whose access ended with a binding, by the names under which
// their accounts were last looked up.
func (t *Tenant) ended(profile driver.Profile) []plan.Ended {
	var all []plan.Ended
	for _, e := range t.desired.Ended {
		account := profile.AccountNames.Key(e.Account)
		for _, r := range t.membersOf(e) {
			if r.name != "" && profile.AccountNames.Key(r.name) == account {
				all = append(all, plan.Ended{Removal: r.Removal, Why: e.Reason})
			}
		}
	}
	return all
}

// namedRemoval is the removal of an account with a name.
type namedRemoval struct {
	plan.Removal

	name string
}

// membersOf returns the removals of all members of the group, or of all subjects of the role,
// that ended access was of. A binding has two keys: with and without its name.
func (t *Tenant) membersOf(e desired.Ended) []namedRemoval {
	var all []namedRemoval
	add := func(object access.Key, members []access.Member) {
		for _, m := range members {
			all = append(all, namedRemoval{plan.Removal{Object: object, Ref: m.Ref}, m.Name})
		}
	}
	for _, g := range t.seen.State.Groups {
		if e.Group != "" && g.Name == e.Group {
			add(access.Key{Kind: access.KindMembers, Group: g.Name}, g.Members)
		}
	}
	for _, b := range t.seen.State.Bindings {
		if e.Role != "" && b.Group == "" && b.Role == e.Role {
			key := b.Key()
			add(key, b.Subjects)
			key.Name = ""
			add(key, b.Subjects)
		}
	}
	return all
}

// revokedMembers returns those of the revoked accounts that are in any set here, sorted: no
// plan depends on the others.
func (t *Tenant) revokedMembers() []string {
	var revoked []string
	if len(t.revoked) == 0 {
		return nil
	}
	note := func(members []access.Member) {
		for _, m := range members {
			if t.revoked[m.Ref] {
				revoked = append(revoked, m.Ref)
			}
		}
	}
	for _, g := range t.seen.State.Groups {
		note(g.Members)
	}
	for _, b := range t.seen.State.Bindings {
		note(b.Subjects)
	}
	slices.Sort(revoked)
	return slices.Compact(revoked)
}

// DesiredOptions are the profile's facts that desired access depends on.
func DesiredOptions(profile driver.Profile) desired.Options {
	return desired.Options{
		AccountNames: profile.AccountNames, Groups: profile.Groups, LookupAttribute: profile.LookupAttribute,
		EveryGroup: profile.EveryGroup, EveryPerson: profile.EveryPerson, Conditions: profile.Conditions, NoBindings: profile.NoBindings,
		BringIn: profile.BringIn != "", Deprecated: profile.BringIn == driver.DeprecatedMaker,
	}
}

// Rules bound the plan: the platform's defaults, overridden by its document.
func Rules(profile driver.Profile, in document.TenantInput, installation string) plan.Rules {
	replication := in.Platform.Replication
	r := plan.Rules{
		Mark:        access.Mark{Installation: installation, Tenant: in.Tenant.TenantID.String()},
		MemberChunk: profile.MemberChunk,
		Additional:  cmp.Or(plan.Additional(replication.AdditionalPermissions), profile.AdditionalPermissions),
		Cleanup:     profile.Cleanup,
		Rename:      plan.Rename(replication.Rename),
		CanRename:   profile.Renames,
		IgnoreCase:  profile.GroupsIgnoreCase,
		Carry:       replication.CarryForeignPermissions,
		Gone:        in.Deleted,
		AutoDelete:  in.LandingZone != nil && in.LandingZone.ApproveDeletion,
		ForbiddenBy: in.RemovalsForbiddenBy(),
		Guard:       plan.Guard{Most: in.Guard.GroupMost, Percent: in.Guard.GroupPercent, Unnamed: in.Unnamed},
		Separate:    profile.Separate,
		Shared:      profile.SharedRoles,
		Base:        profile.EveryPerson,
	}
	if replication.SkipCleanup != nil {
		r.Cleanup = !*replication.SkipCleanup
	}
	return r
}

func desiredOf(in document.TenantInput, profile driver.Profile) (desired.Desired, error) {
	want, err := desired.Compute(in, DesiredOptions(profile))
	if err != nil {
		return want, fmt.Errorf("reconcile: desired access of %s: %w: %w", in.Tenant.TenantID, fault.ErrInvalid, err)
	}
	return want, nil
}

// DesiredDigest names what a tenant's documents ask for, so that a later look
// can tell whether they still do.
func DesiredDigest(in document.TenantInput, profile driver.Profile) (string, error) {
	want, err := desiredOf(in, profile)
	if err != nil {
		return "", err
	}
	return want.Digest(), nil
}
