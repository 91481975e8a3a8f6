package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Settled is desired access in the platform's own terms: what a plan is made from.
type Settled struct {
	// State has an account's Ref in every member and subject.
	State access.State `json:"state"`
	// Keep protects accounts of which nobody can say that they should go.
	Keep []access.Keep `json:"keep,omitempty"`
	// Newcomers are to be brought in, sorted by account name. Until the platform
	// knows them they are granted nothing.
	Newcomers []access.Newcomer `json:"provisioned,omitempty"`
	// Revoked are the ids of accounts whose access is revoked by name, sorted: of
	// people to whom the documents would give something here.
	Revoked []string `json:"revoked,omitempty"`
	// Remarks are sorted and include those of Compute.
	Remarks []access.Remark `json:"warnings,omitempty"`
}

// Known is what is known of accounts on the platform beyond the tenant.
type Known struct {
	// Revoked are the ids of accounts of users whose access is revoked by name.
	Revoked []string
	// Users are users of all tenants who have an account on the platform, by the account's id,
	// each with the name by which a lookup found it.
	Users map[string][]access.Member
}

// Settle puts in the answers to Accounts. Only an account that is found is
// granted anything; one that is ambiguous, disabled or invited keeps what it
// has; one that is not found is left out. Each of those has a remark.
//
// Two names that turn out to be one account gain nothing and lose nothing: names of users
// here, and one of a user here and one of a user of another tenant.
//
// Nobody gets an account that is known to be that of somebody whose access is
// revoked by name: the accounts by id that are known from elsewhere, and those that
// the answers tell.
//
// An account without an answer, or with one that contradicts itself, is an
// error that wraps ErrUnresolved.
func (d Desired) Settle(found map[string]access.Resolution, known Known) (Settled, error) {
	people := d.people()
	names := d.Accounts()
	for _, name := range names {
		answer, ok := found[name]
		if !ok || !usable(answer) {
			return Settled{}, fmt.Errorf("desired: %s: %w: the answers to %d lookups lack at least one, or contradict themselves",
				d.Tenant, ErrUnresolved, len(names))
		}
	}
	s := settler{
		found: found, people: people, users: known.Users, attribute: d.LookupAttribute, owner: map[string]string{}, newcomers: d.Newcomers,
		shared: make(map[string]bool, len(d.Shared)),
	}
	for _, name := range d.Shared {
		s.shared[name] = true
	}
	s.out.Remarks = slices.Clone(d.Remarks)
	s.revoke(d.Revoked, names, known.Revoked)
	for _, name := range slices.Sorted(maps.Keys(people)) {
		s.account(name)
	}
	for _, g := range d.State.Groups {
		g.Members, _ = s.set(g.Key(), g.Members)
		s.out.State.Groups = append(s.out.State.Groups, g)
	}
	for _, b := range d.State.Bindings {
		var kept bool
		had := len(b.Subjects)
		b.Subjects, kept = s.set(b.Key(), b.Subjects)
		if had > 0 && len(b.Subjects) == 0 && !kept {
			continue // a binding to nobody
		}
		s.out.State.Bindings = append(s.out.State.Bindings, b)
	}
	s.out.State.Sort()
	slices.SortFunc(s.out.Keep, func(a, b access.Keep) int { return a.Set.Compare(b.Set) })
	s.out.Remarks = access.SortRemarks(s.out.Remarks)
	return s.out, nil
}

// usable reports whether an answer is one of those a platform can give.
func usable(r access.Resolution) bool {
	switch r.Found {
	case access.Yes, access.Disabled, access.Pending:
		return len(r.Refs) == 1 && r.Refs[0] != ""
	case access.Ambiguous:
		return len(r.Refs) > 1
	case access.No:
		return len(r.Refs) == 0
	default:
		return false
	}
}

// settler replaces names by refs.
type settler struct {
	found     map[string]access.Resolution
	people    map[string]string // by account name
	users     map[string][]access.Member
	attribute string
	owner     map[string]string // the first account name with a ref
	newcomers map[string]access.Newcomer
	shared    map[string]bool // account names that several users have
	out       Settled
}

// revoke notes the accounts that nobody gets: those of the names gone, and of all
// names those that are known. Of several under one name nobody can say which it is.
func (s *settler) revoke(gone, all, known []string) {
	for _, name := range gone {
		if refs := s.found[name].Refs; len(refs) == 1 {
			s.out.Revoked = append(s.out.Revoked, refs...)
		}
	}
	if len(known) > 0 {
		is := make(map[string]bool, len(known))
		for _, ref := range known {
			is[ref] = true
		}
		for _, name := range all {
			for _, ref := range s.found[name].Refs {
				if is[ref] {
					s.out.Revoked = append(s.out.Revoked, ref)
				}
			}
		}
	}
	slices.Sort(s.out.Revoked)
	s.out.Revoked = slices.Compact(s.out.Revoked)
}

// account decides who keeps the ref of one name, and remarks why a name is not
// granted anything.
func (s *settler) account(name string) {
	answer := s.found[name]
	if s.shared[name] {
		return // Compute has warned of it
	}
	duplicate := answer.Similar != "" && answer.Similar != access.DiffersByOrigin
	if who, brought := s.newcomers[name]; brought && answer.Found == access.No && !duplicate {
		s.out.Newcomers = append(s.out.Newcomers, who)
		return
	}
	if answer.Found != access.Yes {
		s.remark(name, answer)
		return
	}
	ref := answer.Refs[0]
	if _, is := slices.BinarySearch(s.out.Revoked, ref); is {
		s.owner[ref] = "" // nobody's
		s.out.Remarks = append(s.out.Remarks, access.Remark{Code: access.UserRevoked, Object: s.people[name], Text: fmt.Sprintf(
			"on the platform, %q is an account of somebody whose access is revoked by name, so %s is not granted anything: "+
				"correct the euid of one of them, or lift the revocation with rollcall revoke --lift", name, s.people[name])})
		return
	}
	first, taken := s.owner[ref]
	if taken {
		s.collision(name, first, s.people[first])
		if !s.shared[first] {
			s.collision(first, name, s.people[name])
		}
		return
	}
	s.owner[ref] = name
	others := s.users[ref]
	if i := slices.IndexFunc(others, func(m access.Member) bool { return m.Person != s.people[name] }); i >= 0 {
		s.collision(name, others[i].Name, others[i].Person)
	}
}

// collision warns that the platform has one account for the name and another user's.
func (s *settler) collision(name, other, user string) {
	s.shared[name] = true
	s.out.Remarks = append(s.out.Remarks, access.Remark{
		Code: access.AccountCollision, Object: s.people[name], Text: fmt.Sprintf(
			"on the platform, %s is the same account as %s of %s, so "+sharedText+"correct the euid of one of them",
			identity.Quote(name), identity.Quote(other), user, s.people[name]),
	})
}

// set returns the members who are found, with their refs, and whether anybody
// else of the set is kept.
func (s *settler) set(key access.Key, members []access.Member) ([]access.Member, bool) {
	var granted []access.Member
	var keep []string
	for _, m := range members {
		answer := s.found[m.Name]
		if answer.Found != access.Yes || s.shared[m.Name] {
			keep = append(keep, s.keepable(answer.Refs)...)
			continue
		}
		m.Ref = answer.Refs[0]
		if s.owner[m.Ref] == m.Name {
			granted = append(granted, m)
		}
	}
	if len(keep) == 0 {
		return granted, false
	}
	slices.Sort(keep)
	s.out.Keep = append(s.out.Keep, access.Keep{Set: key, Refs: slices.Compact(keep)})
	return granted, true
}

// keepable leaves out the accounts that are revoked.
func (s *settler) keepable(refs []string) []string {
	return slices.DeleteFunc(slices.Clone(refs), func(ref string) bool {
		_, is := slices.BinarySearch(s.out.Revoked, ref)
		return is
	})
}

// notFoundAdvice ends the warning about an account that the platform does not have. Whoever
// creates an account beside a similar one makes a duplicate.
func notFoundAdvice(similar access.Similarity, user string) string {
	switch similar {
	case "":
		return fmt.Sprintf(": create it there, or correct spec.euid of the meshUser %s or the platform's euidPattern", user)
	case access.DiffersByOrigin:
		return ", only one of another origin: correct the platform's origin, or the origin of the account of " + user
	case access.DiffersByBlanks:
		return ", only one with other blanks: remove the blanks there, or correct spec.euid of the meshUser " + user
	default:
		return fmt.Sprintf(", only one that differs by %s: "+
			"correct spec.euid of the meshUser %s, the platform's euidPattern, or the name there", similar, user)
	}
}

// remark says why an account is not granted anything.
func (s *settler) remark(name string, answer access.Resolution) {
	r := access.Remark{Object: s.people[name]}
	lookup := fmt.Sprintf("whose %s is %s", cmp.Or(s.attribute, "name"), identity.Quote(name))
	const kept = "is granted nothing new and loses nothing"
	switch answer.Found {
	case access.No:
		r.Code = access.UserNotFound
		r.Text = "the platform has no account " + lookup + notFoundAdvice(answer.Similar, r.Object)
	case access.Ambiguous:
		r.Code, r.Text = access.UserAmbiguous, fmt.Sprintf(
			"the platform has %d accounts %s, so %s %s: leave only one of them there",
			len(answer.Refs), lookup, r.Object, kept)
	case access.Disabled:
		r.Code, r.Text = access.UserDisabled, fmt.Sprintf(
			"the account %s cannot sign in, so %s %s: enable it there, or remove the binding", lookup, r.Object, kept)
	case access.Pending:
		r.Code, r.Text = access.InvitationPending, fmt.Sprintf(
			"the account %s is invited and has not accepted, so %s %s: ask for the invitation to be accepted",
			lookup, r.Object, kept)
	case access.Yes:
		return
	}
	s.out.Remarks = append(s.out.Remarks, r)
}
