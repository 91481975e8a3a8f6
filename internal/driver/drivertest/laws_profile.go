package drivertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// The first laws look at what a driver says about itself. The planner and the
// workflows believe every word of it.

func profileIsTotal(l *lab) {
	p := l.profile
	for _, field := range []struct {
		name string
		sane bool
	}{
		{"Type is the name that documents use", p.Type != ""},
		{"LookupAttribute names an attribute", p.LookupAttribute != ""},
		{
			"AdditionalPermissions is keep or remove",
			p.AdditionalPermissions == plan.KeepAdditional || p.AdditionalPermissions == plan.RemoveAdditional,
		},
		{"MemberChunk is a number of members, or 0 for all", p.MemberChunk >= 0},
		{"Unit is one of package plan's", p.Unit == plan.PerObject || p.Unit == plan.PerTenant},
		{"Parallel is at least 1", p.Parallel >= 1},
		{"ScopesPerObserve is at least 1", p.ScopesPerObserve >= 1},
		{"Settle and CallsPerSecond are not negative", p.Settle >= 0 && p.CallsPerSecond >= 0},
		{"Cost says what is paid", p.Cost.VerifyOne != "" && p.Cost.VerifyAll != "" && p.Cost.ChangeOne != ""},
		{"Renames only where there are groups", p.Groups || !p.Renames},
		{
			"BringIn is a way to bring people in, or empty",
			slices.Contains([]driver.BringIn{"", driver.Invite, driver.CreateAccount, driver.DeprecatedMaker}, p.BringIn),
		},
		{
			fmt.Sprintf("AccessEnd has a figure with its source, or says that none is known: %v", p.AccessEnd.Validate()),
			p.AccessEnd.Validate() == nil,
		},
	} {
		if !field.sane {
			l.Errorf("want: %s; the profile is %+v", field.name, p)
		}
	}
	if diff := cmp.Diff(p, l.world.Open(l).Profile()); diff != "" {
		l.Errorf("another driver for the same platform has another profile: %s", diff)
	}
}

// The table below is the whole vocabulary of plans. A platform without groups
// knows a third of it.
func tableMatchesProfile(l *lab) {
	t := l.tenant("table")
	t.know(access.Group{Name: "laws-none"})
	before := t.look()
	for _, kind := range []access.Kind{access.KindGroup, access.KindMembers, access.KindBinding, access.KindAccount, "nonsense"} {
		for _, op := range []plan.Op{plan.Create, plan.Change, plan.Delete, "nonsense"} {
			if implied(l.profile, kind, op) {
				// Refusing these is found by every law that follows.
				continue
			}
			err := t.one(t.fiction(kind, op))
			l.fails("to "+string(op)+" a "+string(kind)+", which the profile does not imply", err, fault.ErrUnsupported)
		}
	}
	if implied(l.profile, access.KindGroup, plan.Change) {
		l.fails("to change a group without its id", t.one(t.fiction(access.KindGroup, plan.Change)), fault.ErrInvalid)
	}
	if l.profile.Groups && !l.profile.Renames {
		step := t.fiction(access.KindGroup, plan.Change)
		step.Have.Group = &access.Group{Name: "laws-nobody", Ref: "laws-nobody", Mark: t.scope.Mark}
		l.fails("to rename a group, which the profile does not imply", t.one(step), fault.ErrUnsupported)
	}
	if diff := cmp.Diff(before, t.look()); diff != "" {
		l.Errorf("steps that were refused have changed something: %s", diff)
	}
}

// implied reports whether plans for such a platform contain such steps.
func implied(p driver.Profile, kind access.Kind, op plan.Op) bool {
	switch kind {
	case access.KindGroup:
		return p.Groups && (op == plan.Create || op == plan.Delete || op == plan.Change && (p.Marks || p.Renames))
	case access.KindMembers:
		return p.Groups && op == plan.Change
	case access.KindBinding:
		return !p.NoBindings &&
			(op == plan.Create || op == plan.Delete || op == plan.Change && (!p.Groups && !p.Separate || p.Conditions))
	case access.KindAccount:
		return op == plan.Create && p.BringIn != ""
	default:
		return false
	}
}

// fiction is a step on an object that does not exist.
func (t *tenant) fiction(kind access.Kind, op plan.Op) plan.Step {
	var o plan.Object
	switch kind {
	case access.KindMembers:
		o.Members = &plan.Members{Group: "laws-none"}
	case access.KindBinding:
		o.Binding = &access.Binding{Role: t.world.Roles[0], Group: t.set(0), Mark: t.scope.Mark}
	case access.KindAccount:
		o.Account = &access.Newcomer{Account: access.Account{Name: "laws-none@example.com"}, Person: "laws-none"}
	default:
		o.Group = &access.Group{Name: "laws-none", Mark: t.scope.Mark}
	}
	step := plan.Step{ID: "fiction", Op: op, Kind: kind, Object: "laws-none"}
	if op != plan.Create {
		step.Have = o
	}
	if op != plan.Delete {
		step.Want = o
	}
	return step
}

// oddNames are names that some platform somewhere bends, cuts or chokes on.
func oddNames() []string {
	return []string{
		"laws-plain", "laws with spaces", "LAWS-Upper", "laws.dots_and-dashes", "laws-ünï-名前", "laws+plus&amp",
		"laws%20percent", "laws'quote\"", "laws\\backslash", "laws/slash", "laws:colon@at", "laws#hash?query",
		" laws-leading", "laws-trailing ", "laws\nnewline", "laws\x00nul", "", "laws-\xff",
		strings.Repeat("l", 64), strings.Repeat("l", 65), strings.Repeat("l", 256), strings.Repeat("l", 70000),
	}
}

// apply checks names when documents come in, with Fit alone. If Fit is too
// kind, tenants fail at night; if the platform bends a name, every run finds a
// group missing and makes it again.
func fitTellsTheTruth(l *lab) {
	t := l.tenant("fit")
	for _, name := range oddNames() {
		o := plan.Object{Group: &access.Group{Name: name, Mark: t.scope.Mark}}
		if l.fit(o) != nil {
			continue
		}
		t.must(plan.Step{ID: "fit", Op: plan.Create, Kind: access.KindGroup, Object: name, Want: o})
		t.know(*o.Group)
		l.settles(func() string {
			if _, there := groupNamed(t.look(), name); !there {
				return "Fit accepts the group's name " + short(name) + " but after creating it nothing of that name is observed"
			}
			return ""
		})
	}
	for _, g := range t.look().Groups {
		if err := l.driver.Fit(plan.Object{Group: &g}); err != nil {
			l.Errorf("a group that Observe returned does not Fit: %v", err)
		}
	}
}

func refusedStaysRefused(l *lab) {
	t := l.tenant("refused")
	before := t.look()
	for _, name := range oddNames() {
		step := plan.Step{ID: "refused", Op: plan.Create, Kind: access.KindGroup, Object: name}
		step.Want.Group = &access.Group{Name: name, Mark: t.scope.Mark}
		if !l.profile.Groups {
			step.Kind, step.Want = access.KindBinding, plan.Object{Binding: &access.Binding{Role: name, Mark: t.scope.Mark}}
		}
		if class := l.fit(step.Want); class != nil {
			if len(name) > 0 && len(name) < 300 && !strings.ContainsFunc(name, unprintable) {
				t.know(access.Group{Name: name}) // worth a look afterwards
			}
			l.fails("creating an object named "+short(name)+", which Fit refuses", t.one(step), class)
		}
	}
	if diff := cmp.Diff(before, t.look()); diff != "" {
		l.Errorf("objects that were refused have changed something: %s", diff)
	}
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// fit returns the class of what Fit says, twice the same.
func (l *lab) fit(o plan.Object) error {
	l.Helper()
	err, again := l.driver.Fit(o), l.driver.Fit(o)
	if (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
		l.Errorf("Fit is not pure: it said %v, then %v", err, again)
	}
	if err == nil {
		return nil
	}
	class := fault.Class(err)
	if !slices.ContainsFunc([]error{fault.ErrInvalid, fault.ErrUnsupported}, func(c error) bool { return errors.Is(class, c) }) {
		l.Errorf("Fit refuses with %v: want ErrInvalid or ErrUnsupported", err)
	}
	return class
}

// short quotes the beginning of a name.
func short(name string) string {
	const most = 40
	if len(name) > most {
		return `"` + name[:most] + `..."`
	}
	return `"` + name + `"`
}
