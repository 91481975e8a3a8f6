package plan

import (
	"reflect"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// TestIDCoversEveryField changes each field of a step in turn, so that a field
// added to an object one day is not left out of the ID by oversight.
func TestIDCoversEveryField(t *testing.T) {
	tenant := access.TenantID{Workspace: "acme", Project: "shop", Platform: "cloud"}
	steps := map[string]func() Step{
		"group": func() Step {
			return Step{Have: Object{Group: &access.Group{}}, Want: Object{Group: &access.Group{}}}
		},
		"members": func() Step {
			accounts := []access.Member{{}}
			return Step{Have: Object{Members: &Members{Accounts: accounts}}}
		},
		"binding": func() Step {
			return Step{Want: Object{Binding: &access.Binding{Subjects: []access.Member{{}}}}}
		},
	}
	for name, step := range steps {
		before := id(tenant, step())
		for i := range leaves(reflect.ValueOf(step()), "") {
			s := step()
			leaf := leaves(reflect.ValueOf(&s).Elem(), "")[i]
			change(leaf.value)
			changed := id(tenant, s) != before
			if wanted := !notPartOfID[leaf.name]; changed != wanted {
				t.Errorf("%s: changing the field %s changes the ID: %t, want %t", name, leaf.name, changed, wanted)
			}
		}
	}
}

// notPartOfID are the reasons, that of emptying a group, the step of which this is a part, what is derived from the rest, and the members of
// a group, which are steps of their own.
var notPartOfID = map[string]bool{"ID": true, "Kind": true, "Object": true, "Why": true, "Serves": true, "Carried": true, "PartOf": true, "Empties": true}

type leaf struct {
	name  string
	value reflect.Value
}

// leaves lists the strings and truth values below v.
func leaves(v reflect.Value, name string) []leaf {
	var all []leaf
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			all = leaves(v.Elem(), name)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			all = append(all, leaves(v.Field(i), v.Type().Field(i).Name)...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, leaves(v.Index(i), name)...)
		}
	default:
		all = append(all, leaf{name: name, value: v})
	}
	return all
}

func change(v reflect.Value) {
	if v.Kind() == reflect.Bool {
		v.SetBool(!v.Bool())
		return
	}
	v.SetString(v.String() + "x")
}

func TestIDKeepsTextsApart(t *testing.T) {
	tenant := access.TenantID{}
	one := id(tenant, Step{Want: Object{Group: &access.Group{Name: "ab", Ref: "c"}}})
	two := id(tenant, Step{Want: Object{Group: &access.Group{Name: "a", Ref: "bc"}}})
	have := id(tenant, Step{Have: Object{Group: &access.Group{Name: "ab", Ref: "c"}}})
	if one == two || one == have {
		t.Errorf("different steps share an ID: %s %s %s", one, two, have)
	}
}
