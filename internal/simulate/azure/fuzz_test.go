package azure

import (
	"errors"
	"strings"
	"testing"
)

// What callers write into a query can be anything.

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"mail eq 'x'", "startsWith(mail,'x') or not (id in ('a','b''c'))", "((((", "mail eq 'x", "accountEnabled ne true and mail eq null", "a eq", "é eq 'é'",
	} {
		f.Add(seed)
	}
	all := []object{User{ID: "1", Mail: "x"}, User{ID: "2"}}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := filter(text, "users", true, all)
		var refused *graphError
		if err != nil && (!errors.As(err, &refused) || refused.status != 400) {
			t.Errorf("%q is refused with %v", text, err)
		}
		if len(got) > len(all) {
			t.Errorf("%q finds more than there is", text)
		}
	})
}

func FuzzQuotedFilter(f *testing.F) {
	for _, seed := range []string{"x", "o'neil", "''", "ü 'or' 1 eq 1", "\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, mail string) {
		if mail == "" {
			return
		}
		other := User{ID: "2", Mail: mail + "x"}
		got, err := filter("mail eq '"+strings.ReplaceAll(mail, "'", "''")+"'", "users", false, []object{User{ID: "1", Mail: mail}, other})
		if err != nil || len(got) != 1 || got[0].id() != "1" {
			t.Errorf("%q finds %v, %v", mail, got, err)
		}
	})
}

func FuzzKQL(f *testing.F) {
	for _, seed := range []string{
		"authorizationresources | where type =~ 'x' | project id, a = tostring(properties.b) | order by id asc | take 5",
		`t | where (a == "b" or c !in~ ('d')) and isempty(e) | extend f = tolower(g['h'])`, "t |", "t | project", "|", "t | where a in (", "t | take 0", "t | where a[",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseKQL(text)
		if err != nil {
			if !errors.As(err, &kqlError{}) {
				t.Errorf("%q is refused with %v", text, err)
			}
			return
		}
		rows := []map[string]any{{"id": "1", "a": "b", "properties": map[string]any{"b": "c"}}, {"id": "2"}}
		for _, step := range q.steps {
			rows = step(rows)
		}
		if len(rows) > 2 {
			t.Errorf("%q makes %d rows of 2", text, len(rows))
		}
	})
}

func FuzzScope(f *testing.F) {
	for _, seed := range []string{
		"/subscriptions/a", "/subscriptions/a/resourceGroups/b", "subscriptions/a/resourcegroups/b/providers/microsoft.containerservice/managedclusters/c/", "/", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := parseScope(text)
		if ok && (p.sub == "" || p.cluster != "" && p.group == "") {
			t.Errorf("%q is %+v", text, p)
		}
		if ok && !below(text, "/subscriptions/"+p.sub) {
			t.Errorf("%q is not in its subscription", text)
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"members", "members($select=id)", "members($select=)", "owners", "members($select=id,mail", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		names, err := expandNames(value)
		if err == nil && value != "members" && len(names) == 0 {
			t.Errorf("%q expands nothing", value)
		}
	})
}
