package cloudfoundry_test

import (
	"errors"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
)

// TestApply_RefusesSpaceOfAnotherOrganization: documents name a tenant by its
// organization and its space, and a connection's scopes compare that text. A space that
// is not in the organization is no tenant.
func TestApply_RefusesSpaceOfAnotherOrganization(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	space := w.cloud.AddSpace(w.org, "victim")
	mine := w.cloud.AddOrganization("mine")
	ada := w.cloud.AddUser("ada@example.com", sso)
	w.cloud.GiveRole("organization_user", "", w.org, ada)
	d := connection.Limit(w.open(t), connection.Limits{Scopes: [][]string{{mine + "/*"}}})
	for _, role := range []string{"space_developer", "organization_manager"} {
		r := d.Apply(t.Context(), driver.Scope{ID: mine + "/" + space}, []plan.Step{give(role, ada)})
		if !errors.Is(r[0].Err, fault.ErrNotFound) {
			t.Errorf("%s in a space of another organization: %v, want ErrNotFound", role, r[0].Err)
		}
	}
}
