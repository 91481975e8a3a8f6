package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
)

func TestParseTenantID(t *testing.T) {
	tests := []struct {
		reason, text string
		want         access.TenantID // zero: refused
	}{
		{"the form people type", "acme.shop/openstack", access.TenantID{Workspace: "acme", Project: "shop", Platform: "openstack"}},
		{"a platform may have dots", "acme.shop/openstack.eu-1", access.TenantID{Workspace: "acme", Project: "shop", Platform: "openstack.eu-1"}},
		{"nothing", "", access.TenantID{}},
		{"only the separators", "./", access.TenantID{}},
		{"a project alone", "acme.shop", access.TenantID{}},
		{"a platform alone", "/openstack", access.TenantID{}},
		{"no workspace", ".shop/openstack", access.TenantID{}},
		{"no project", "acme./openstack", access.TenantID{}},
		{"no dot before the slash", "acme/openstack.eu-1", access.TenantID{}},
		{"no platform", "acme.shop/", access.TenantID{}},
		{"a dot too many", "acme.shop.eu/openstack", access.TenantID{}},
		{"a slash too many", "acme.shop/openstack/eu-1", access.TenantID{}},
	}
	for _, test := range tests {
		got, err := access.ParseTenantID(test.text)
		if got != test.want {
			t.Errorf("%s: ParseTenantID(%q) = %+v, want %+v", test.reason, test.text, got, test.want)
		}
		if refused := test.want == (access.TenantID{}); refused != errors.Is(err, access.ErrTenantID) {
			t.Errorf("%s: ParseTenantID(%q): the error is %v, refused should be %t", test.reason, test.text, err, refused)
		}
	}
}

func FuzzParseTenantID(f *testing.F) {
	for _, seed := range []string{"acme.shop/openstack.eu-1", "", "./", "a.b/c/d", "a.b.c/d", "ä.ö/ü", "a.b/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := access.ParseTenantID(text)
		switch {
		case err != nil && (id != access.TenantID{} || !errors.Is(err, access.ErrTenantID)):
			t.Errorf("%q is refused with %+v and %v", text, id, err)
		case err == nil && id.String() != text:
			t.Errorf("%q was read as %+v, which is written %q", text, id, id)
		case err == nil && (id.Workspace == "" || id.Project == "" || id.Platform == ""):
			t.Errorf("%q was read as %+v, with a part missing", text, id)
		}
	})
}

func TestTenantIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := access.TenantID{
			Workspace: rapid.StringMatching(`[^./]+`).Draw(t, "workspace"),
			Project:   rapid.StringMatching(`[^./]+`).Draw(t, "project"),
			Platform:  rapid.StringMatching(`[^/]+`).Draw(t, "platform"),
		}
		got, err := access.ParseTenantID(want.String())
		if err != nil || got != want {
			t.Errorf("%q was read as %+v, %v", want, got, err)
		}
		if !strings.HasPrefix(want.String(), want.ProjectID()+"/") {
			t.Errorf("%q does not begin with its project %q", want, want.ProjectID())
		}
	})
}

func TestTenantIDOrder(t *testing.T) {
	// Sorted: by platform, then workspace, then project.
	sorted := []access.TenantID{
		{Workspace: "b", Project: "b", Platform: "aws"},
		{Workspace: "a", Project: "a", Platform: "gcp"},
		{Workspace: "a", Project: "b", Platform: "gcp"},
		{Workspace: "b", Project: "a", Platform: "gcp"},
	}
	if !slices.IsSortedFunc(sorted, access.TenantID.Compare) {
		t.Error("Compare does not order by platform, workspace and project")
	}
	for _, id := range sorted {
		if same := id; id.Compare(same) != 0 {
			t.Errorf("%s is not equal to itself", id)
		}
	}
}
