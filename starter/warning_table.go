package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
)

const (
	// mostWarnings is how many lines of warnings a table has.
	mostWarnings = 20
	// mostGroups bounds the memory of a table: warnings beyond it are only counted.
	mostGroups = 1000
)

// warningKey is what equal warnings have in common.
type warningKey struct {
	code access.Code
	// object is empty for a warning about the tenant itself.
	object string
	text   string
}

// keyOf returns the cause of a tenant's warning. A warning about a user or a role comes
// from one document, and each platform words it differently: its advice is its key.
// Other warnings are equal if their texts are, apart from the tenant's name.
func keyOf(tenant string, r access.Remark) warningKey {
	key := warningKey{code: r.Code, object: r.Object, text: strings.ReplaceAll(r.Text, tenant, "<tenant>")}
	switch {
	case r.Code.Personal(), r.Code == access.RoleUnmapped:
		key.text = advice(key.text)
	case r.Object == tenant:
		key.object = ""
	}
	return key
}

// advice returns what a warning's text says to do: the part after its last colon.
func advice(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+len(": "):]
	}
	return text
}

// merged is a warning about one object of a tenant, or about several with one cause.
type merged struct {
	access.Remark
	objects int
}

// mergeObjects returns the warnings of a tenant, with those that differ only in the object
// as one: its object is a number of objects, and its text is without their names. Warnings
// about users and roles come from documents of their own, and stay as they are.
func mergeObjects(tenant string, warnings []access.Remark) []merged {
	all := make([]merged, 0, len(warnings))
	places := map[warningKey]int{} // in all
	kinds := map[warningKey]string{}
	for _, r := range warnings {
		text, kind := withoutObject(r)
		key := warningKey{code: r.Code, text: text}
		place, known := places[key]
		switch {
		case r.Code.Personal(), r.Code == access.RoleUnmapped, r.Object == tenant:
			all = append(all, merged{r, 1})
		case !known:
			places[key], kinds[key] = len(all), kind
			all = append(all, merged{r, 1})
		case all[place].objects == 1 && all[place].Object == r.Object:
			all = append(all, merged{r, 1}) // two warnings about one object
		default:
			if kinds[key] != kind {
				kinds[key] = "object"
			}
			n := all[place].objects + 1
			all[place] = merged{access.Remark{Code: r.Code, Object: count(n, kinds[key]), Text: text}, n}
		}
	}
	return all
}

// otherSteps is the part of a warning that counts the steps which need a refused one.
var otherSteps = regexp.MustCompile(` \(\d+ other steps need it\)`)

// withoutObject returns the text of a warning without the names of its object, and the kind
// of the object: the word before its name in the text, if it is one.
func withoutObject(r access.Remark) (text, kind string) {
	text, kind = otherSteps.ReplaceAllString(r.Text, ""), "object"
	names := strings.Split(r.Object, " → ")
	if len(names) > 1 {
		kind = "role"
	}
	for _, name := range append([]string{r.Object}, names...) {
		quoted := " " + strconv.Quote(name)
		before, _, found := strings.Cut(text, quoted)
		if !found {
			continue
		}
		switch word := before[strings.LastIndexByte(before, ' ')+1:]; {
		case kind != "object":
		case word == "members":
			kind = "group"
		case word == string(access.KindGroup), word == string(access.KindBinding), word == string(access.KindAccount):
			kind = word
		}
		text = strings.ReplaceAll(text, quoted, "")
	}
	return text, kind
}

// warningGroup is one line of a table: equal warnings, on one tenant or on several.
type warningGroup struct {
	warningKey

	first, last string // tenants
	tenants     int
	shown       string // the text, or the advice alone where the texts differ
}

// warningTable groups equal warnings.
type warningTable struct {
	groups map[warningKey]*warningGroup
	// more counts the warnings that are in no group.
	more int
	// merged is true where a warning stands for several objects of a tenant.
	merged bool
}

// add adds the warnings of one tenant. Those of one cause on several objects are one.
func (t *warningTable) add(tenant string, warnings ...access.Remark) {
	for _, r := range mergeObjects(tenant, warnings) {
		t.merged = t.merged || r.objects > 1
		key := keyOf(tenant, r.Remark)
		group := t.groups[key]
		switch {
		case group != nil:
			group.add(tenant, r.Text)
		case len(t.groups) == mostGroups:
			t.more++
		default:
			if t.groups == nil {
				t.groups = map[warningKey]*warningGroup{}
			}
			t.groups[key] = &warningGroup{warningKey: key, first: tenant, last: tenant, tenants: 1, shown: r.Text}
		}
	}
}

func (g *warningGroup) add(tenant, text string) {
	if g.last != tenant {
		g.last, g.tenants = tenant, g.tenants+1
	}
	if text != g.shown {
		g.shown = g.text
	}
}

// compare orders groups: those of many tenants first.
func (g *warningGroup) compare(h *warningGroup) int {
	return cmp.Or(cmp.Compare(h.tenants, g.tenants), cmp.Compare(g.code, h.code), cmp.Compare(g.object, h.object),
		cmp.Compare(g.first, h.first), cmp.Compare(g.text, h.text))
}

// write lists the groups, those of many tenants first. The last line says how to list
// each warning with its tenant, where the table does not.
func (t *warningTable) write(w io.Writer, toListEach string) {
	if len(t.groups) == 0 {
		return
	}
	groups := make([]*warningGroup, 0, len(t.groups))
	for _, g := range t.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, (*warningGroup).compare)
	more := t.more + max(0, len(groups)-mostWarnings)
	complete := more == 0 && !t.merged
	lines := make([][]string, min(len(groups), mostWarnings))
	for i := range lines {
		g := groups[i]
		lines[i] = []string{string(g.code), cmp.Or(g.object, "(tenant)"), g.first, g.shown}
		if g.tenants > 1 {
			lines[i][2], complete = count(g.tenants, "tenant"), false
		}
	}
	rows(w, []string{"WARNING", "OBJECT", "TENANT", "TEXT"}, lines)
	if more > 0 {
		fmt.Fprintf(w, "... and %d more.\n", more)
	}
	if !complete {
		fmt.Fprintln(w, toListEach)
	}
}
