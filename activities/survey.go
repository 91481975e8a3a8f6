package activities

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// view is one tenant on its way from documents to a plan.
type view struct {
	input   document.TenantInput
	desired desired.Desired
	settled desired.Settled
	owned   []plan.Owned
	seen    driver.Observation
	// elsewhere are shared roles of people here that other tenants want.
	elsewhere []access.Binding
	// decisions are about removals that a guard held.
	decisions []store.Decision
	// adoptions are groups that somebody told us to take over, adopt the names of
	// groups to plan as if somebody had.
	adoptions []store.Adoption
	adopt     []string
	// strangers are accounts in sets of ours that Rollcall never put there.
	strangers []plan.Removal
	// immovable are roles that the platform refused to take in this run.
	immovable []plan.Removal
	// revoked are all accounts of the platform that are known to be revoked by name.
	revoked map[string]bool
	// began is when the look began, by the database's clock, where a run may have
	// looked since; zero for the run's own.
	began time.Time
	// compared is what differs; plan is its plan, with all warnings.
	compared plan.Comparison
	plan     plan.Plan
	// connection is the digest of the connection that the platform is observed with.
	connection string
	// gone are objects of a removed tenant's ledger that do not exist any more, as
	// far as the platform shows after settle.
	gone   []access.Key
	settle time.Duration
}

// missing reports whether the platform has no such tenant.
func (v *view) missing() bool { return v.seen.Missing }

// desiredDigest names what the documents ask for.
func (v *view) desiredDigest() string { return digestOf(v.desired) }

// desiredDigest names what a tenant's documents ask for, so that a later look
// can tell whether they still do.
func desiredDigest(in document.TenantInput, profile driver.Profile) (string, error) {
	want, err := desired.Compute(in, DesiredOptions(profile))
	if err != nil {
		return "", fmt.Errorf("activities: desired access of %s: %w", in.Tenant.TenantID, err)
	}
	return digestOf(want), nil
}

func digestOf(d desired.Desired) string {
	body, err := json.Marshal(d.State)
	if err != nil {
		return "" // slices and strings always marshal
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// observing says how tenants are read.
type observing struct {
	// fresh trusts nothing remembered.
	fresh bool
	adopt []string
	// immovable are roles that the platform refused to take, for a look at one tenant.
	immovable []plan.Removal
}

// look plans many tenants of one platform with as few calls as it allows.
//
// What is remembered about accounts and marks serves a first plan only. One
// that takes anything from anybody, or finds an object of unclear ownership, is
// made again from fresh answers: remembered knowledge removes nothing.
//
// Groups of the names in o.adopt are planned as if somebody had told us to take
// them over.
func (p *Platform) look(ctx context.Context, ids []access.TenantID, o observing) (driver.Driver, []*view, error) {
	inputs, err := p.store.TenantInputs(ctx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("activities: read the documents of %d tenants: %w", len(ids), err)
	}
	if len(inputs) == 0 {
		return nil, nil, nil
	}
	d, connection, err := p.driver(ctx, inputs[0].Platform)
	if err != nil {
		return nil, nil, err
	}
	views := make([]*view, len(inputs))
	for i, in := range inputs {
		views[i] = &view{input: in, connection: connection}
		if views[i].desired, err = desired.Compute(in, DesiredOptions(d.Profile())); err != nil {
			return nil, nil, fmt.Errorf("activities: desired access of %s: %w: %w", in.Tenant.TenantID, fault.ErrInvalid, err)
		}
	}
	decided, err := p.store.Decisions(ctx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("activities: read what was decided: %w", err)
	}
	adoptions, err := p.store.Adoptions(ctx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("activities: read what is to be adopted: %w", err)
	}
	for _, v := range views {
		v.decisions = decided[v.input.Tenant.TenantID]
		v.adoptions, v.adopt, v.immovable = adoptions[v.input.Tenant.TenantID], o.adopt, o.immovable
	}
	if err := p.plans(ctx, d, views, o.fresh); err != nil {
		return nil, nil, err
	}
	if doubtful := slices.DeleteFunc(slices.Clone(views), func(v *view) bool { return !v.doubtful() }); !o.fresh && len(doubtful) > 0 {
		err = p.plans(ctx, d, doubtful, true)
	}
	return d, views, err
}

// doubtful reports whether the plan must not rest on remembered knowledge.
func (v *view) doubtful() bool {
	return v.plan.Removes() || len(v.adopted()) > 0 || slices.ContainsFunc(v.plan.Remarks, func(r access.Remark) bool {
		return r.Code == access.ObjectForeign || r.Code == access.OwnershipUnclear || r.Code == access.CleanupOff ||
			r.Code == access.RemovalsForbidden
	})
}

// plans resolves, observes and compares.
func (p *Platform) plans(ctx context.Context, d driver.Driver, views []*view, fresh bool) error {
	if err := p.settle(ctx, d, views, fresh); err != nil {
		return err
	}
	if err := p.observe(ctx, d, views, fresh); err != nil {
		return err
	}
	if fresh {
		if err := p.nameAccounts(ctx, views); err != nil {
			return err
		}
	}
	profile := d.Profile()
	if err := p.shareLedger(ctx, profile.SharedRoles, views); err != nil {
		return err
	}
	for _, v := range views {
		v.elsewhere, v.strangers = nil, nil
		v.compare(profile, p.installation)
	}
	return p.answer(ctx, d, views, fresh)
}

// answer answers what the plans do not know, and makes those again. Nothing leaves a set
// on remembered knowledge, so who put the leavers there is asked about fresh plans only.
func (p *Platform) answer(ctx context.Context, d driver.Driver, views []*view, fresh bool) error {
	if err := p.findElsewhere(ctx, d, views); err != nil {
		return err
	}
	if fresh {
		if err := p.findStrangers(ctx, views); err != nil {
			return err
		}
	}
	for _, v := range views {
		if len(v.elsewhere)+len(v.strangers) > 0 {
			v.compare(d.Profile(), p.installation)
		}
	}
	return nil
}

// settle finds out which accounts the platform knows.
func (p *Platform) settle(ctx context.Context, d driver.Driver, views []*view, fresh bool) error {
	var names []string
	for _, v := range views {
		names = append(names, v.desired.Accounts()...)
	}
	slices.Sort(names)
	found, err := p.resolve(ctx, d, views[0].input.Platform.Identifier(), slices.Compact(names), fresh)
	if err != nil {
		return err
	}
	revoked, err := p.revokedRefs(ctx, views)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.settled, err = v.desired.Settle(found, revoked...); err != nil {
			return fmt.Errorf("activities: %s: %w", v.input.Tenant.TenantID, err)
		}
	}
	knowRevoked(views, revoked)
	return nil
}

// observe reads what is on the platform, many tenants at a time.
func (p *Platform) observe(ctx context.Context, d driver.Driver, views []*view, fresh bool) error {
	ids := make([]access.TenantID, len(views))
	for i, v := range views {
		ids[i] = v.input.Tenant.TenantID
	}
	owned, err := p.ledger.OwnedMany(ctx, ids)
	if err != nil {
		return fmt.Errorf("activities: read the ledger: %w", err)
	}
	var known []*view
	for _, v := range views {
		v.owned = owned[v.input.Tenant.TenantID]
		v.seen = driver.Observation{Missing: v.nowhere()}
		if !v.missing() {
			known = append(known, v)
		}
	}
	for part := range slices.Chunk(known, max(1, d.Profile().ScopesPerObserve)) {
		scopes := make([]driver.Scope, len(part))
		for i, v := range part {
			scopes[i] = p.scope(v, fresh)
		}
		seen, err := d.Observe(ctx, scopes)
		if err != nil {
			return fmt.Errorf("activities: read the platform: %w", err)
		}
		for i, v := range part {
			v.seen = seen[i]
		}
	}
	return nil
}

// scope says where to look, and for which groups besides those bound there.
func (p *Platform) scope(v *view, marks bool) driver.Scope {
	refs := map[string]string{}
	for _, g := range v.settled.State.Groups {
		refs[g.Name] = ""
	}
	for _, o := range v.owned {
		if o.Key.Kind == access.KindGroup {
			refs[o.Key.Group] = o.Ref
		}
	}
	s := driver.Scope{
		Tenant: v.input.Tenant.TenantID, ID: v.input.Tenant.LocalID, Marks: marks,
		Mark: access.Mark{Installation: p.installation, Tenant: v.input.Tenant.TenantID.String()},
	}
	for name, ref := range refs {
		s.Groups = append(s.Groups, access.Group{Name: name, Ref: ref})
	}
	slices.SortFunc(s.Groups, func(a, b access.Group) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// nameAccounts puts names to the ids of observed members, where one was ever
// looked up, so that a removal can say whom it hits.
func (p *Platform) nameAccounts(ctx context.Context, views []*view) error {
	var nameless []*access.Member
	for _, v := range views {
		for i := range v.seen.State.Groups {
			nameless = append(nameless, withoutName(v.seen.State.Groups[i].Members)...)
		}
		for i := range v.seen.State.Bindings {
			nameless = append(nameless, withoutName(v.seen.State.Bindings[i].Subjects)...)
		}
	}
	if len(nameless) == 0 {
		return nil
	}
	refs := make([]string, len(nameless))
	for i, m := range nameless {
		refs[i] = m.Ref
	}
	names, err := p.store.AccountNames(ctx, views[0].input.Platform.Identifier(), refs)
	if err != nil {
		return fmt.Errorf("activities: name accounts: %w", err)
	}
	for _, m := range nameless {
		m.Name = names[m.Ref]
	}
	return nil
}

// withoutName returns pointers to the members of whom only the id is known.
func withoutName(members []access.Member) []*access.Member {
	var found []*access.Member
	for i := range members {
		if members[i].Name == "" {
			found = append(found, &members[i])
		}
	}
	return found
}

// compare makes the plan, with everything there is to remark.
func (v *view) compare(profile driver.Profile, installation string) {
	tenant := v.input.Tenant
	if v.absent() {
		v.compared = plan.Comparison{}
		v.plan = plan.Plan{Tenant: tenant.TenantID, Remarks: []access.Remark{v.missingRemark()}}
		return
	}
	if v.input.Deleted {
		v.gone, v.settle = v.lost(profile), profile.Settle
	}
	v.use(plan.Compare(v.question(profile, installation)))
}

// use takes the plan of a comparison.
func (v *view) use(c plan.Comparison) {
	v.compared, v.plan = c, c.Plan
	v.plan.Connection = v.connection
	v.plan.Remarks = access.SortRemarks(slices.Concat(v.plan.Remarks, v.settled.Remarks))
}

// question is all that the plan depends on.
func (v *view) question(profile driver.Profile, installation string) plan.Input {
	tenant := v.input.Tenant
	approved, rejected := v.decided()
	return plan.Input{
		Tenant:   tenant.TenantID,
		Desired:  v.settled.State,
		Observed: v.seen.State,
		Owned:    v.owned,
		Keep:     v.settled.Keep,

		Newcomers: v.settled.Newcomers,
		Elsewhere: v.elsewhere,
		Approved:  approved,
		Rejected:  rejected,
		Adopted:   v.adopted(),
		Revoked:   v.revokedHere(),
		Strangers: v.strangers,
		Immovable: v.immovable,
		Rules:     rules(profile, v.input, installation),
	}
}

// decided sorts what was decided about removals.
func (v *view) decided() (approved []plan.Removal, rejected []plan.Rejection) {
	for _, d := range v.decisions {
		if d.Verdict == store.Approved {
			approved = append(approved, d.Removal)
			continue
		}
		r := plan.Rejection{Removal: d.Removal}
		if d.Verdict == store.Rejected {
			r.By, r.Reason = d.Approver, d.Reason
		}
		rejected = append(rejected, r)
	}
	return approved, rejected
}

func (v *view) missingRemark() access.Remark {
	tenant := v.input.Tenant
	text := fmt.Sprintf("the platform has no tenant with the id %q: correct the tenant's id, or create it there", tenant.LocalID)
	if tenant.LocalID == "" {
		text = "the tenant has no id on its platform yet: set platformTenantId (localId in v3)"
	}
	return access.Remark{Code: access.TenantNotFound, Object: tenant.TenantID.String(), Text: text}
}

// DesiredOptions are the profile's facts that desired access depends on.
func DesiredOptions(profile driver.Profile) desired.Options {
	return desired.Options{
		IgnoresCase: profile.IgnoresCase, Groups: profile.Groups, LookupAttribute: profile.LookupAttribute,
		EveryGroup: profile.EveryGroup, EveryPerson: profile.EveryPerson, Conditions: profile.Conditions, NoBindings: profile.NoBindings,
		BringIn: profile.BringIn != "", Deprecated: profile.BringIn == driver.DeprecatedMaker,
	}
}

// rules bound the plan: the platform's defaults, overruled by its document.
func rules(profile driver.Profile, in document.TenantInput, installation string) plan.Rules {
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
