package document

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	// firstEndYear is the first year in which a binding can end: an earlier one is a mistake.
	firstEndYear = 2000
	// maxEndYears is how many years ahead a binding can end. An end that is further away is a
	// mistake, or stands for none.
	maxEndYears = 10
)

// wireEnd is the end of a binding, as its document has it.
type wireEnd struct {
	// ExpirationDate is the last day of the binding, such as 2026-12-31. The exports of the
	// meshObject API have it beside the references, and its documentation does not describe
	// it. It has no time and no zone: the binding ends with that day in UTC.
	ExpirationDate string `json:"expirationDate"`
	// ExpiryDate is another name of ExpirationDate: that of the Terraform provider.
	ExpiryDate string `json:"expiryDate"`
	Spec       struct {
		// ExpiresAt is the end as RFC 3339 has it.
		ExpiresAt string `json:"expiresAt"`
	} `json:"spec"`
}

// end returns the end of the binding, the zero time without one. It returns the field with
// the error.
func (w wireEnd) end() (at time.Time, field string, err error) {
	day := "expirationDate"
	if w.ExpiryDate != "" {
		day = "expiryDate"
	}
	switch date, expires := cmp.Or(w.ExpiryDate, w.ExpirationDate), w.Spec.ExpiresAt; {
	case w.ExpiryDate != "" && w.ExpirationDate != "":
		return at, day, errors.New("the binding has an expirationDate, too: write one of them")
	case date != "" && expires != "":
		return at, "spec.expiresAt", errors.New("the binding has an " + day + ", too: write one of them")
	case date != "":
		field = day
		if at, err = time.Parse(time.DateOnly, date); err != nil {
			return at, field, fmt.Errorf("there is no day %s: write a date, such as 2026-12-31", quoted(date))
		}
		at = at.AddDate(0, 0, 1)
	case expires != "":
		field = "spec.expiresAt"
		if at, err = time.Parse(time.RFC3339, expires); err != nil {
			return at, field, fmt.Errorf("there is no time %s: write one with its offset from UTC, such as 2026-12-31T18:00:00Z",
				quoted(expires))
		}
		at = at.UTC()
	default:
		return at, "", nil
	}
	if at.Year() < firstEndYear {
		return at, field, fmt.Errorf("is before %d: correct the year, or remove the binding", firstEndYear)
	}
	return at, field, nil
}

// endErrors returns what is wrong with the end of a binding.
func endErrors(tree map[string]any, n *yaml.Node) []flaw {
	var w wireEnd
	w.ExpirationDate, _ = tree["expirationDate"].(string)
	w.ExpiryDate, _ = tree["expiryDate"].(string)
	spec, _ := tree["spec"].(map[string]any)
	w.Spec.ExpiresAt, _ = spec["expiresAt"].(string)
	_, field, err := w.end()
	if err == nil {
		return nil
	}
	_, line := locate(n, strings.Split(field, "."))
	return []flaw{{line: line, field: field, text: err.Error()}}
}

// HasEnded reports whether the binding grants nothing at a time, because its end has come.
func (b Binding) HasEnded(at time.Time) bool { return !b.Ends.IsZero() && !at.Before(b.Ends) }

// checkEnd adds a problem if the binding ends too far ahead.
func (c *checker) checkEnd(i int, ends time.Time) {
	if latest := c.now.AddDate(maxEndYears, 0, 0); ends.After(latest) {
		field := "spec.expiresAt"
		if w := new(wireEnd); json.Unmarshal(c.set.docs[i].Body, w) == nil {
			_, field, _ = w.end()
		}
		c.add(i, field, "the end is more than "+strconv.Itoa(maxEndYears)+" years ahead: correct the year, "+
			"or leave the field out for a binding without an end")
	}
}

// EndedGrants returns what bindings that have ended granted to users, as Grants returns it.
func (in TenantInput) EndedGrants() []Grant {
	ended := in
	ended.UserBindings, ended.GroupBindings = nil, nil
	for _, b := range in.UserBindings {
		if b.HasEnded(in.Now) {
			ended.UserBindings = append(ended.UserBindings, b)
		}
	}
	for _, b := range in.GroupBindings {
		if b.HasEnded(in.Now) {
			ended.GroupBindings = append(ended.GroupBindings, b)
		}
	}
	ended.Now = time.Time{}
	grants, _ := ended.Grants()
	return grants
}

// FormatEnd writes the end of a binding for users, in UTC.
func FormatEnd(at time.Time) string { return at.UTC().Format(time.DateTime + " MST") }

// NextEnd is the next time at which users lose a role on a project, because bindings end.
type NextEnd struct {
	At time.Time `json:"at"`
	// Users counts the users who lose a role then.
	Users int `json:"users"`
}

// NextEnd returns when the next users lose a role because bindings end, after Now. It is false
// if no users do. The end of a binding counts only where no other binding grants the role.
func (in TenantInput) NextEnd() (NextEnd, bool) {
	if in.Deleted {
		return NextEnd{}, false
	}
	before := in.roles()
	for _, at := range slices.CompactFunc(in.ends(), time.Time.Equal) {
		later := in
		later.Now = at
		after, users := later.roles(), map[string]bool{}
		for role := range before {
			if !after[role] {
				users[role.user] = true
			}
		}
		if len(users) > 0 {
			return NextEnd{At: at, Users: len(users)}, true
		}
	}
	return NextEnd{}, false
}

// userRole is a role that a user holds on a project.
type userRole struct{ user, role string }

// roles returns the roles that the bindings grant.
func (in TenantInput) roles() map[userRole]bool {
	grants, _ := in.Grants()
	roles := make(map[userRole]bool, len(grants))
	for _, g := range grants {
		roles[userRole{g.User, g.Binding.Role}] = true
	}
	return roles
}

// NextEndOfBinding returns the next end of a binding after Now; zero without one.
func (in TenantInput) NextEndOfBinding() time.Time {
	ends := in.ends()
	if len(ends) == 0 {
		return time.Time{}
	}
	return ends[0]
}

// ends returns the ends of bindings after Now, sorted.
func (in TenantInput) ends() []time.Time {
	var ends []time.Time
	for _, b := range in.bindings() {
		if !b.Ends.IsZero() && !b.HasEnded(in.Now) {
			ends = append(ends, b.Ends)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends
}

func (in TenantInput) bindings() []Binding { return slices.Concat(in.UserBindings, in.GroupBindings) }

// HasEnds reports whether any binding of the tenant has an end, passed or not.
func (in TenantInput) HasEnds() bool {
	return slices.ContainsFunc(in.bindings(), func(b Binding) bool { return !b.Ends.IsZero() })
}
