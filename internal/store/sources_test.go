package store_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	signIn    document.Source = "sign-in:corp"
	scim      document.Source = "scim:corp"
	connector document.Source = "connector:ldap"
)

// set returns a change of one field of a user.
func set(user, field, value string) store.FieldChange {
	return store.FieldChange{ID: document.ID{Kind: document.KindUser, Name: user}, Set: map[string]json.RawMessage{field: quote(value)}}
}

func quote(text string) json.RawMessage {
	quoted, _ := json.Marshal(text) //nolint:errchkjson // A string has a JSON form.
	return quoted
}

func setFields(t testing.TB, s *store.Store, source document.Source, fields ...store.FieldChange) store.Changes {
	t.Helper()
	changes, err := s.SetFields(t.Context(), fields, store.Checks{Source: source, Validate: validateNames})
	if err != nil {
		t.Fatalf("%s sets fields: %v", source, err)
	}
	return changes
}

// user returns the stored user of the name.
func user(t testing.TB, s *store.Store, name string) document.Document {
	t.Helper()
	found, err := s.Documents(t.Context(), store.Filter{Kind: document.KindUser, Name: name})
	if err != nil || len(found) != 1 {
		t.Fatalf("user %s: %d documents, %v; want one", name, len(found), err)
	}
	return found[0]
}

// field returns a text of a document, and what it belongs to.
func field(d document.Document, path string) (string, document.Source) {
	value, _ := d.Field(path)
	var text string
	_ = json.Unmarshal(value, &text) // an absent field is an empty text
	if owner, ok := d.Fields[path]; ok {
		return text, owner.Source
	}
	return text, d.Source
}

func TestApply_PreservesFieldsOfOtherSources(t *testing.T) {
	s := fresh(t)
	documents := organisation(t)
	apply(t, s, store.ApplyRequest{Documents: documents})
	changes := setFields(t, s, signIn, set("ada", "spec.euid", "ada-signed-in"))
	diff(t, "the change of ada's euid affects her tenants", []access.TenantID{web}, changes.Tenants)
	after := apply(t, s, store.ApplyRequest{Documents: documents, Prune: true})
	diff(t, "documents with the former euid change nothing", store.Changes{
		Unchanged: len(documents), Generation: 2,
		Preserved: []store.PreservedField{{ID: document.ID{Kind: document.KindUser, Name: "ada"}, Field: "spec.euid", Source: signIn}},
	}, after)
	euid, source := field(user(t, s, "ada"), "spec.euid")
	if euid != "ada-signed-in" || source != signIn {
		t.Errorf("the euid is %q of %s, want that of the sign-in", euid, source)
	}
	text := strings.ReplaceAll(organisationText(t), "firstName: Ada", "firstName: Augusta")
	after = apply(t, s, store.ApplyRequest{Documents: decode(t, text)})
	euid, _ = field(user(t, s, "ada"), "spec.euid")
	first, _ := field(user(t, s, "ada"), "spec.firstName")
	if len(after.Changed) != 1 || euid != "ada-signed-in" || first != "Augusta" {
		t.Errorf("another field changes: %+v with euid %q and first name %q; want the new name beside the euid of the sign-in", after, euid, first)
	}
}

func TestSetFields_PrefersTheMoreTrustedSource(t *testing.T) {
	for _, tt := range []struct {
		reason string
		first  document.Source
		second document.Source
		want   document.Source
	}{
		{"a sign-in proves what a directory asserts", scim, signIn, signIn},
		{"a directory does not replace what a sign-in proved", signIn, scim, signIn},
		{"of two directories the first keeps the field", scim, connector, scim},
		{"a source changes what it set", connector, connector, connector},
		{"an invitation counts more than documents", "", "invitation", "invitation"},
		{"documents do not replace an invitation", "invitation", "", "invitation"},
	} {
		s := fresh(t)
		apply(t, s, store.ApplyRequest{Documents: organisation(t)})
		setFields(t, s, tt.first, set("ada", "spec.euid", "first"))
		changes := setFields(t, s, tt.second, set("ada", "spec.euid", "second"))
		want := "second"
		if tt.want != tt.second {
			want = "first"
		}
		if euid, source := field(user(t, s, "ada"), "spec.euid"); euid != want || source != tt.want {
			t.Errorf("%s: the euid is %q of %s, want %q of %s", tt.reason, euid, source, want, tt.want)
		}
		if preserved := len(changes.Preserved) == 1; preserved != (tt.want != tt.second) {
			t.Errorf("%s: preserved %v", tt.reason, changes.Preserved)
		}
	}
}

func TestSetFields_WithTheStoredValueIsNoRevision(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	euid, _ := field(user(t, s, "ada"), "spec.euid")
	changes := setFields(t, s, signIn, set("ada", "spec.euid", euid))
	diff(t, "the value is stored already", store.Changes{Generation: 1}, changes)
	if _, source := field(user(t, s, "ada"), "spec.euid"); source != signIn {
		t.Errorf("the euid belongs to %s, want %s", source, signIn)
	}
	setFields(t, s, signIn, store.FieldChange{ID: user(t, s, "ada").ID, Release: []string{"spec.euid"}})
	if _, source := field(user(t, s, "ada"), "spec.euid"); source != "" || user(t, s, "ada").Fields != nil {
		t.Errorf("the released euid belongs to %s, want the documents", source)
	}
	diff(t, "released fields are the documents' again", 1, len(apply(t, s, store.ApplyRequest{
		Documents: decode(t, strings.ReplaceAll(organisationText(t), "ada-1", "ada-9")),
	}).Changed))
}

func TestSetFields_RefusesWhatDocumentsMayNotHave(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	ben, _ := field(user(t, s, "ben"), "spec.euid")
	for _, tt := range []struct {
		reason string
		change store.FieldChange
		want   error
		text   string
	}{
		{"another user has the euid", set("ada", "spec.euid", ben), document.ErrInvalid, "spec.euid"},
		{"a control character", set("ada", "spec.euid", "ada\n1"), document.ErrInvalid, "spec.euid"},
		{"a field that users do not have", set("ada", "spec.shoeSize", "44"), document.ErrInvalid, "shoeSize"},
		{"a user who is not stored", set("eve", "spec.euid", "eve"), store.ErrNotFound, "eve"},
	} {
		_, err := s.SetFields(t.Context(), []store.FieldChange{set("ada", "spec.firstName", "A"), tt.change},
			store.Checks{Source: signIn, Validate: validateNames})
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v about %s", tt.reason, err, tt.want, tt.text)
		}
		if name, _ := field(user(t, s, "ada"), "spec.firstName"); name == "A" {
			t.Errorf("%s: the other field was stored", tt.reason)
		}
	}
}

// TestApply_LeavesObjectsOfOtherSources: documents neither change nor remove a user whom a
// directory created.
func TestApply_LeavesObjectsOfOtherSources(t *testing.T) {
	s := fresh(t)
	documents := organisation(t)
	apply(t, s, store.ApplyRequest{Documents: documents})
	eve := func(name string) []document.Document {
		return decode(t, "{apiVersion: v2, kind: meshUser, metadata: {name: eve}, spec: {firstName: "+name+", email: eve@example.com, euid: eve-1}}")
	}
	apply(t, s, store.ApplyRequest{Documents: eve("Eve"), Checks: store.Checks{Source: scim}})
	id := eve("")[0].ID
	if source := user(t, s, "eve").Source; source != scim {
		t.Fatalf("eve belongs to %s, want %s", source, scim)
	}
	diff(t, "prune removes nothing of another source", 0, len(apply(t, s, store.ApplyRequest{Documents: documents, Prune: true}).Removed))
	diff(t, "the same document is no change", 1, apply(t, s, store.ApplyRequest{Documents: eve("Eve")}).Unchanged)

	other := eve("Eva")
	other[0].File, other[0].Line = "users.yaml", 7
	_, err := s.Apply(t.Context(), store.ApplyRequest{Documents: other})
	want := `users.yaml:7: meshUser eve: belongs to the source "scim:corp": change it there, or take it out of the input`
	if !errors.Is(err, document.ErrInvalid) || err.Error() != want {
		t.Errorf("documents change eve: %v\nwant %s", err, want)
	}
	_, err = s.Delete(t.Context(), []document.ID{id}, store.Checks{})
	if !errors.Is(err, document.ErrInvalid) {
		t.Errorf("documents delete eve: %v, want a refusal", err)
	}
	_, err = s.Apply(t.Context(), store.ApplyRequest{
		Documents: decode(t, strings.ReplaceAll(organisationText(t), "firstName: Ada", "firstName: Augusta")), Checks: store.Checks{Source: scim},
	})
	if !errors.Is(err, document.ErrInvalid) {
		t.Errorf("the directory changes ada: %v, want a refusal", err)
	}
	apply(t, s, store.ApplyRequest{Documents: eve("Eva"), Checks: store.Checks{Source: scim}})
	changes, err := s.Delete(t.Context(), []document.ID{id}, store.Checks{Source: scim})
	if err != nil || len(changes.Removed) != 1 {
		t.Errorf("the directory deletes eve: %+v, %v", changes, err)
	}
}

// TestExport_KeepsSources: an export restores what belongs to whom, planned or not.
func TestExport_KeepsSources(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	apply(t, s, store.ApplyRequest{
		Documents: decode(t, "{apiVersion: v2, kind: meshUser, metadata: {name: eve}, spec: {email: eve@example.com, euid: eve-1}}"),
		Checks:    store.Checks{Source: scim},
	})
	setFields(t, s, signIn, set("ada", "spec.euid", "ada-signed-in"), set("eve", "spec.euid", "eve-signed-in"))
	exported, err := s.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := document.Encode(&text, exported); err != nil {
		t.Fatal(err)
	}
	restored := fresh(t)
	proposal, err := restored.Propose(t.Context(), store.ApplyRequest{Documents: decode(t, text.String())})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := restored.ApplyProposal(t.Context(), proposal.Digest, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	again, err := restored.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ignored := cmpopts.IgnoreFields(document.Document{}, "File", "Line")
	diff(t, "the export of the restored documents", exported, again, ignored)
	if len(user(t, restored, "eve").Fields) != 1 || user(t, restored, "eve").Source != scim {
		t.Errorf("eve is restored as %+v, want sources", user(t, restored, "eve"))
	}
}

// TestSources_Rapid compares the store with a model of one field: the last source that may set
// it.
func TestSources_Rapid(t *testing.T) {
	s := fresh(t)
	rapid.Check(t, func(rt *rapid.T) {
		apply(t, s, store.ApplyRequest{Documents: organisation(t), Prune: true})
		id := user(t, s, "ada").ID
		for path, f := range user(t, s, "ada").Fields {
			setFields(t, s, f.Source, store.FieldChange{ID: id, Release: []string{path}})
		}
		apply(t, s, store.ApplyRequest{Documents: organisation(t), Prune: true})
		value, owner := "ada-1", document.Source("")
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			by := rapid.SampledFrom([]document.Source{"", "invitation", scim, connector, signIn}).Draw(rt, "source")
			next := "ada-" + rapid.SampledFrom([]string{"1", "5", "6"}).Draw(rt, "euid")
			switch {
			case by == "":
				text := strings.ReplaceAll(organisationText(t), "ada-1", next)
				apply(t, s, store.ApplyRequest{Documents: decode(t, text), Prune: true})
			case rapid.IntRange(0, 4).Draw(rt, "release") == 0:
				setFields(t, s, by, store.FieldChange{ID: id, Release: []string{"spec.euid"}})
				if owner == by {
					owner = ""
				}
				continue
			default:
				setFields(t, s, by, set("ada", "spec.euid", next))
			}
			if by == owner || slices.Index([]document.Source{"", "invitation", scim, connector, signIn}, by) > 0 && by.Rank() > owner.Rank() {
				value, owner = next, by
			}
			got, source := field(user(t, s, "ada"), "spec.euid")
			if d := cmp.Diff([]string{value, string(owner)}, []string{got, string(source)}); d != "" {
				rt.Fatalf("%s set %s (-want +got):\n%s", by, next, d)
			}
		}
	})
}
