package store_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/document/documenttest"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// rulesOf are the rules of a platform type, as apply has them.
func rulesOf(name string) (desired.Rules, bool) {
	for _, t := range types.All() {
		if t.Name() == name {
			return desired.Rules{Options: reconcile.DesiredOptions(t.Profile), GroupsIgnoreCase: t.Profile.GroupsIgnoreCase, Fit: t.Validate}, true
		}
	}
	return desired.Rules{}, false
}

// validateNames is what apply does with a draft.
func validateNames(d store.Draft) ([]document.GroupName, error) {
	names, problems := desired.CheckSorted(d.Inputs, rulesOf)
	others, err := d.Others(names)
	if err != nil {
		return nil, err
	}
	return names, d.Set.Locate(append(problems, desired.NameConflicts(names, others)...))
}

// whole is what all documents together say, read from no database.
type whole struct {
	set   *document.Set
	names []string
	err   error
}

func wholeOf(documents []document.Document) whole {
	set, err := document.NewSet(documents)
	if err == nil {
		err = set.Validate(time.Now())
	}
	if err != nil {
		return whole{err: err}
	}
	inputs := make([]document.TenantInput, 0, len(set.Tenants()))
	for _, id := range set.Tenants() {
		in, _ := set.Input(id, document.Drawn{}, time.Now())
		inputs = append(inputs, in)
	}
	names, problems := desired.Check(inputs, rulesOf)
	w := whole{set: set, err: set.Locate(problems)}
	for _, n := range names {
		w.names = append(w.names, fmt.Sprint(n))
	}
	slices.Sort(w.names)
	return w
}

// repair removes documents until the others are valid.
func repair(all documenttest.Documents) {
	for {
		var problems document.Problems
		if !errors.As(wholeOf(all.List()).err, &problems) {
			return
		}
		for _, p := range problems {
			maps.DeleteFunc(all, func(id document.ID, _ document.Document) bool { return id.String() == p.Object })
		}
	}
}

// read makes the documents those of a file.
func read(all documenttest.Documents, file string) documenttest.Documents {
	for id, d := range all {
		d.File = file
		all[id] = d
	}
	return all
}

// TestApply_DecidesAsAllDocumentsWould: a change reads its neighbours only. On random
// organisations it is refused exactly where all documents together are not valid, affects the
// same tenants, and leaves the names of the groups of all tenants.
func TestApply_DecidesAsAllDocumentsWould(t *testing.T) {
	s := fresh(t)
	refused, stored := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		before := read(documenttest.Draw(rt), "before.yaml")
		repair(before)
		checks := store.Checks{Validate: validateNames}
		if _, err := s.Apply(t.Context(), store.ApplyRequest{Documents: before.List(), Prune: true, Checks: checks}); err != nil {
			rt.Fatalf("store the organisation: %v", err)
		}
		if _, err := s.Pool().Exec(t.Context(), "DELETE FROM tombstones"); err != nil {
			rt.Fatal(err)
		}
		after, changed := before.Change(rt)
		request := store.ApplyRequest{Documents: read(after, "after.yaml").List(), Prune: true, Checks: checks}
		removes := slices.ContainsFunc(changed, func(id document.ID) bool { _, stays := after[id]; return !stays })
		if !removes && rapid.Bool().Draw(rt, "only what changes") {
			request.Documents, request.Prune = nil, false
			for _, id := range changed {
				request.Documents = append(request.Documents, after[id])
			}
		}
		want := wholeOf(after.List())
		got, err := s.Apply(t.Context(), request)
		if (err == nil) != (want.err == nil) {
			rt.Fatalf("the change of %v: %v; all documents together: %v", changed, err, want.err)
		}
		if err != nil {
			refused++
			if !errors.Is(err, document.ErrInvalid) {
				rt.Fatalf("the change of %v: %v, want document.ErrInvalid", changed, err)
			}
			return
		}
		stored++
		set, err := document.NewSet(before.List())
		if err != nil {
			rt.Fatal(err)
		}
		affected := document.Affected(set.Graph(), want.set.Graph(), changed)
		if d := cmp.Diff(affected, got.Tenants, cmpopts.EquateEmpty()); d != "" {
			rt.Fatalf("tenants that the change of %v affects (-all documents +neighbours):\n%s", changed, d)
		}
		if d := cmp.Diff(want.names, storedNames(t, s), cmpopts.EquateEmpty()); d != "" {
			rt.Fatalf("names of groups after the change of %v (-all documents +stored):\n%s", changed, d)
		}
	})
	if refused == 0 || stored == 0 {
		t.Errorf("%d changes were refused and %d stored: draw both", refused, stored)
	}
}

// storedNames returns the names of all groups that are stored.
func storedNames(t *testing.T, s *store.Store) []string {
	t.Helper()
	rows, err := s.Pool().Query(t.Context(), "SELECT tenant, role, name, key FROM group_names")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rows.Next() {
		var n document.GroupName
		var tenant string
		if err := rows.Scan(&tenant, &n.Role, &n.Name, &n.Key); err != nil {
			t.Fatal(err)
		}
		if n.Tenant, err = access.ParseTenantID(tenant); err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprint(n))
	}
	slices.Sort(names)
	return names
}

// TestApply_StatementsDoNotGrow: the statements of a change, and the documents that they
// return, depend on the change and not on how much is stored.
func TestApply_StatementsDoNotGrow(t *testing.T) {
	const most = 20
	for _, tt := range []struct {
		reason, name, body string
		kind               document.Kind
	}{
		{"a user changes", "user-0", `{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"user-0"},"spec":{"email":"new@example.com","euid":"euid-0","firstName":"First","lastName":"Last"}}`, document.KindUser},
		{"a user gets a role", "b-new", `{"apiVersion":"v3","kind":"meshProjectUserBinding","metadata":{"name":"b-new"},"roleRef":{"name":"admin"},"subject":{"name":"user-0"},"targetRef":{"name":"p-1","ownedByWorkspace":"big"}}`, document.KindUserBinding},
		{"a project changes", "big.p-1", `{"apiVersion":"v2","kind":"meshProject","metadata":{"name":"p-1","ownedByWorkspace":"big"},"spec":{"displayName":"Q"}}`, document.KindProject},
	} {
		counts := map[int]int{}
		for _, size := range []int{200, 2000} {
			s, statements := storetest.OpenCounted(t)
			checks := store.Checks{Validate: validateNames}
			apply(t, s, store.ApplyRequest{Documents: crowd(size), Checks: checks})
			statements.Reset()
			apply(t, s, store.ApplyRequest{Documents: []document.Document{of(tt.kind, tt.name, tt.body)}, Checks: checks})
			got := statements.Reset()
			counts[size] = len(got)
			if len(got) > most {
				t.Errorf("%s: %d statements, want %d at most:%s", tt.reason, len(got), most, got)
			}
			for _, sql := range got {
				if strings.HasSuffix(sql, "FROM documents") {
					t.Errorf("%s: a statement reads all documents: %s", tt.reason, sql)
				}
			}
		}
		if counts[200] != counts[2000] {
			t.Errorf("%s: %d statements beside 200 documents, %d beside 2,000; want the same", tt.reason, counts[200], counts[2000])
		}
	}
}

// TestApply_AsksAgainOnlyForAnotherChange: a change that was seen is stored as long as it is
// the same, whatever else was stored meanwhile.
func TestApply_AsksAgainOnlyForAnotherChange(t *testing.T) {
	s := fresh(t)
	all := organisation(t)
	apply(t, s, store.ApplyRequest{Documents: all})
	binding := document.ID{Kind: document.KindUserBinding, Name: "ada-web"}
	request := store.ApplyRequest{Documents: without(all, binding), Prune: true, Checks: store.Checks{ConfirmRemovals: true}}
	seen, err := s.Apply(t.Context(), request)
	if !errors.Is(err, store.ErrUnconfirmed) || len(seen.Removed) != 1 || seen.Digest == "" {
		t.Fatalf("a change that removes: %+v, %v; want one removal, unconfirmed, with a digest", seen, err)
	}
	user := decode(t, "{apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {email: ada@example.org, euid: ada-1}}")
	apply(t, s, store.ApplyRequest{Documents: user})
	request.Expected = seen.Digest
	other, err := s.Apply(t.Context(), request)
	if !errors.Is(err, store.ErrUnconfirmed) || len(other.Changed) != 1 {
		t.Fatalf("the change would put ada back as well: %+v, %v; want it unconfirmed", other, err)
	}
	workspace := decode(t, "{apiVersion: v1, kind: meshWorkspace, metadata: {name: other}, spec: {displayName: O}}")
	apply(t, s, store.ApplyRequest{Documents: workspace})
	request.Documents = append(request.Documents, workspace...)
	request.Expected = other.Digest
	if got := apply(t, s, request); len(got.Removed) != 1 || got.Generation != 4 {
		t.Errorf("the change that was seen: %+v, want it stored as revision 4", got)
	}
}

// TestApply_RefusesOneTenantTwice: two documents of one tenant of a platform are refused, also if
// they come one after the other.
func TestApply_RefusesOneTenantTwice(t *testing.T) {
	for _, id := range []string{"one", "/subscriptions/one", "/subscriptions/one/", "/"} {
		s := fresh(t)
		tenant := func(project string) []document.Document {
			return decode(t, "{apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: shop, ownedByProject: "+project+
				", platformIdentifier: lab.here}, spec: {localId: "+id+"}}")
		}
		checks := store.Checks{Validate: validateNames}
		apply(t, s, store.ApplyRequest{Documents: without(organisation(t), tenantID(db), tenantID(web)), Checks: checks})
		apply(t, s, store.ApplyRequest{Documents: tenant("web"), Checks: checks})
		if _, err := s.Apply(t.Context(), store.ApplyRequest{Documents: tenant("db"), Checks: checks}); !errors.Is(err, document.ErrInvalid) {
			t.Errorf("a second tenant with the id %q: %v, want document.ErrInvalid", id, err)
		}
	}
}
