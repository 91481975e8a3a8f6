package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// recentRemoval is how long a removal is shown if the vendor names no longest time until the
// access ends.
const recentRemoval = 24 * time.Hour

// leaving returns the pending removals of the user, or of all users, and the applied ones after
// which the access may still count.
func (x *explainer) leaving() []Leaving {
	var all []Leaving
	visited := map[Leaving]bool{} // before they are completed
	add := func(steps []plan.Step, complete func(plan.Step, access.Member, *Leaving) bool) {
		for _, s := range steps {
			for _, account := range x.removed(s) {
				l := Leaving{Account: cmp.Or(account.Name, account.Ref), Group: s.Key().Group, Role: s.Key().Role}
				if visited[l] || x.isDesired(s, account) {
					continue
				}
				visited[l] = true
				if complete(s, account, &l) {
					all = append(all, l)
				}
			}
		}
	}
	add(x.Plan.Held, x.pendingApproval)
	add(x.Plan.Forbidden, x.forbidden)
	add(x.Plan.Steps, x.open)
	add(x.attempted(), x.open)
	return all
}

// removed returns the accounts, among those of the question, from which a step removes access.
// It returns one empty account for a step that removes a group, or a role of a group, for all
// members.
func (x *explainer) removed(s plan.Step) []access.Member {
	key := s.Key()
	if s.Op == plan.Delete && (key.Kind == access.KindGroup || key.Kind == access.KindBinding && key.Group != "") {
		if x.User == "" || x.isMember(key.Group) {
			return []access.Member{{}}
		}
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Removes()), func(m access.Member) bool { return !x.isUsers(m) })
}

// isMember reports whether the user is in the group by the documents or the ledger.
func (x *explainer) isMember(group string) bool {
	for _, g := range x.Desired.State.Groups {
		if g.Name == group && slices.ContainsFunc(g.Members, x.isSubject) {
			return true
		}
	}
	h := x.history(item{group: group, member: access.Member{Person: x.User, Account: access.Account{Name: x.Account}}})
	if h.removed != nil && h.removed.Step.Kind == access.KindGroup && h.removed.Step.Op == plan.Delete {
		h = x.before(h.removed, group)
	}
	return h.added != nil
}

// before returns the history of the user's membership before a record.
func (x *explainer) before(r *ledger.Record, group string) history {
	older := *x
	older.Records = slices.DeleteFunc(slices.Clone(x.Records), func(o ledger.Record) bool { return !o.IntendedAt.Before(r.IntendedAt) })
	return older.history(item{group: group, member: access.Member{Person: x.User, Account: access.Account{Name: x.Account}}})
}

// isDesired reports whether the documents ask for access that the step removes: they changed after
// the plan was made.
func (x *explainer) isDesired(s plan.Step, account access.Member) bool {
	key := s.Key()
	contains := func(members []access.Member) bool {
		return slices.ContainsFunc(members, func(m access.Member) bool { return x.same(account, m) })
	}
	for _, g := range x.Desired.State.Groups {
		if key.Kind != access.KindBinding && g.Name == key.Group && (key.Kind == access.KindGroup || contains(g.Members)) {
			return true
		}
	}
	return slices.ContainsFunc(x.Desired.State.Bindings, func(b access.Binding) bool {
		return key.Kind == access.KindBinding && b.Role == key.Role && b.Group == key.Group && (b.Group != "" || contains(b.Subjects))
	})
}

// itemOf returns the item that a removal removes.
func itemOf(s plan.Step, account access.Member) item {
	key := s.Key()
	return item{group: key.Group, role: key.Role, member: account}
}

// pendingApproval completes a removal that a guard holds. It is false for one that was applied since.
func (x *explainer) pendingApproval(s plan.Step, account access.Member, l *Leaving) bool {
	if h := x.history(itemOf(s, account)); h.removed != nil && h.removed.DoneAt.After(x.observedAt) {
		return x.open(s, account, l)
	}
	removal := plan.Removal{Object: s.Key(), Ref: account.Ref}
	if s.Op == plan.Delete {
		removal = s.Removals()[0]
	}
	l.Verdict, l.Digest, l.Seen = PendingApproval, x.Plan.HeldDigest(), Seen{State: Present, At: x.observedAt}
	l.Since = x.since(access.RemovalHeld, s.Object)
	i := slices.IndexFunc(x.Current, func(d store.Decision) bool { return d.Removal == removal && d.Verdict != store.Undecided })
	if i >= 0 {
		d := x.Current[i]
		l.Verdict, l.By, l.Reason, l.Expires = Verdict(d.Verdict), d.By.String(), d.Reason, d.Expires
	}
	return true
}

// forbidden completes a removal that a document forbids. A revocation removes the access
// nevertheless.
func (x *explainer) forbidden(s plan.Step, account access.Member, l *Leaving) bool {
	if h := x.history(itemOf(s, account)); h.removed != nil && h.removed.DoneAt.After(x.observedAt) {
		return x.open(s, account, l)
	}
	l.Verdict, l.By = Forbidden, cmp.Or(x.Input.RemovalsForbiddenBy(), "the platform or the landing zone")
	l.Since, l.Seen = x.since(access.RemovalsForbidden, x.Input.Tenant.String()), Seen{State: Present, At: x.observedAt}
	return true
}

// since returns since when a warning holds, else the time of the observation.
func (x *explainer) since(code access.Code, object string) time.Time {
	if at := x.Status.Since(access.Remark{Code: code, Object: object}); !at.IsZero() {
		return at
	}
	return x.observedAt
}

// attempted returns the steps of the ledger that remove something, newest first: those since the
// last observation, and those after which access may still count.
func (x *explainer) attempted() []plan.Step {
	bound, _ := x.Profile.AccessEnd.Bound()
	since := x.Now.Add(-max(bound, recentRemoval))
	if x.observedAt.Before(since) {
		since = x.observedAt
	}
	var steps []plan.Step
	for _, r := range x.Records {
		if latest := cmp.Or(r.DoneAt, r.IntendedAt); latest.After(since) && (r.Step.Op == plan.Delete || len(r.Step.Removes()) > 0) {
			steps = append(steps, r.Step)
		}
	}
	return steps
}

// open completes a removal that is planned, tried or applied. It is false for one that is over,
// and for one that the last observation does not ask for any more.
func (x *explainer) open(s plan.Step, account access.Member, l *Leaving) bool {
	it := itemOf(s, account)
	h := x.history(it)
	if h.removed != nil {
		return x.isRecent(h.removed, l)
	}
	planned := x.planned(it) == removes
	failed := h.failedRemoval
	isNewer := failed != nil && failed.IntendedAt.After(x.observedAt)
	switch {
	case !planned && !isNewer:
		return false // the last observation did not find it, or it is held
	case failed != nil && failed.Err != "":
		class, _, _ := strings.Cut(failed.Err, ":")
		l.Verdict, l.Reason, l.Since = RemovalFailed, strings.ReplaceAll(failed.Err, "\n", ": "), h.triedRemoval
		if _, permanent := x.Refusal(class); permanent {
			l.Verdict = RemovalRefused
		}
	case failed != nil:
		l.Verdict, l.Since = Waiting, h.triedRemoval
	default:
		l.Verdict, l.Since = Waiting, x.observedAt
	}
	l.Seen = Seen{State: Present, At: x.observedAt}
	if isNewer {
		l.Seen.At = failed.IntendedAt
	}
	return true
}

// approvalOf returns the last approval of an applied removal before the run began it.
func (x *explainer) approvalOf(r *ledger.Record) (store.Decision, bool) {
	removals := r.Step.Removals()
	i := slices.IndexFunc(x.Decisions, func(d store.Decision) bool {
		return d.Verdict == store.Approved && d.Decided.Before(r.IntendedAt) && slices.Contains(removals, d.Removal)
	})
	if i < 0 {
		return store.Decision{}, false
	}
	return x.Decisions[i], true
}

// isRecent completes a removal that was applied, if no observation confirms it or the access
// may still count.
func (x *explainer) isRecent(r *ledger.Record, l *Leaving) bool {
	isConfirmed := r.DoneAt.Before(x.observedAt)
	l.Verdict, l.Since, l.Seen = Removed, r.DoneAt, Seen{State: Absent, At: x.observedAt}
	if !isConfirmed {
		l.Seen = Seen{State: Unknown, At: x.observedAt, RemovedAt: r.DoneAt}
	}
	if d, found := x.approvalOf(r); found {
		l.By, l.Reason = d.By.String(), d.Reason
	}
	bound, known := x.Profile.AccessEnd.Bound()
	if known && bound > 0 {
		l.EndsBy = r.DoneAt.Add(bound)
	}
	if !known {
		bound = recentRemoval
	}
	return !isConfirmed || bound > 0 && x.Now.Before(r.DoneAt.Add(bound))
}

// Text says which access stays although no document asks for it, and why. The tenant and the
// time until access ends are those of the answer.
func (l Leaving) Text(tenant access.TenantID, end string) string {
	text := fmt.Sprintf("the account %q is still in the group %q", l.Account, l.Group)
	switch {
	case l.Account == "" && l.Role != "":
		text = fmt.Sprintf("the group %q still has the role %q", l.Group, l.Role)
	case l.Account == "":
		text = fmt.Sprintf("the group %q still exists with all its members, although no document asks for it", l.Group)
	case l.Group == "":
		text = fmt.Sprintf("the account %q still has the role %q", l.Account, l.Role)
	}
	switch l.Verdict {
	case Forbidden:
		return text + fmt.Sprintf(
			": %s forbids removals; allow removals there, or remove the user everywhere with rollcall revoke", l.By)
	case Approved:
		return text + fmt.Sprintf(": %s approved the removal (%s), and the next run applies it", l.By, l.Reason)
	case Rejected:
		return text + fmt.Sprintf(": a guard holds the removal, and %s rejected it until %s (%s)",
			l.By, l.Expires.Format(time.DateTime), l.Reason)
	case RemovalRefused:
		return text + fmt.Sprintf(": the platform refuses the removal since %s: %s", l.Since.Format(time.DateTime), l.Reason)
	case RemovalFailed:
		return text + fmt.Sprintf(": the removal fails since %s and is repeated: %s", l.Since.Format(time.DateTime), l.Reason)
	case Waiting:
		return text + fmt.Sprintf(": the removal waits since %s: rollcall status %s", l.Since.Format(time.DateTime), tenant)
	case Removed:
		return l.removedText(end)
	case PendingApproval:
	}
	return text + fmt.Sprintf(": a guard holds the removal: rollcall approve %s %s --reason REASON", tenant, l.Digest)
}

// removedText says when access was removed, whether an observation confirms it, and when it
// ends.
func (l Leaving) removedText(end string) string {
	text := fmt.Sprintf("the account %q was removed from the group %q", l.Account, l.Group)
	switch {
	case l.Account == "" && l.Role != "":
		text = fmt.Sprintf("the role %q was removed from the group %q", l.Role, l.Group)
	case l.Account == "":
		text = fmt.Sprintf("the group %q was removed", l.Group)
	case l.Group == "":
		text = fmt.Sprintf("the role %q was removed from the account %q", l.Role, l.Account)
	}
	text += " at " + l.Since.Format(time.DateTime)
	if l.By != "" {
		text += fmt.Sprintf(", approved by %s (%s)", l.By, l.Reason)
	}
	if !l.Seen.RemovedAt.IsZero() {
		text += ", which no observation confirms yet"
	}
	switch {
	case !l.EndsBy.IsZero():
		return text + ": access ends by " + l.EndsBy.Format(time.DateTime) + " at the latest, by the vendor's documents"
	case end != "at once":
		return text + ": time until access ends, by the vendor's documents: " + end
	default:
		return text
	}
}

// The codes of removals that are not over.
const (
	codeRemovalWaiting      = "removal-waiting"
	codeRemovalNotEffective = "removal-not-effective"
)

// code is the code of the reason.
func (l Leaving) code(refusal func(string) (access.Code, bool)) string {
	switch l.Verdict {
	case Forbidden:
		return string(access.RemovalsForbidden)
	case RemovalRefused:
		class, _, _ := strings.Cut(l.Reason, ":")
		code, _ := refusal(class)
		return string(code)
	case RemovalFailed, Waiting:
		return codeRemovalWaiting
	case Removed:
		return codeRemovalNotEffective
	case PendingApproval, Approved, Rejected:
	}
	return string(access.RemovalHeld)
}
