package azure_test

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// TestScopesRefuse has a scope refuse role assignments that no permission is missing for.
func TestScopesRefuse(t *testing.T) {
	for reason, c := range map[string]struct {
		prepare func(w *world, sub, group string)
		at      func(sub, group string) string // where the role is
		put     string                         // code; "" is allowed
		remove  string
		status  int
		text    string
	}{
		"nothing is locked":   {func(*world, string, string) {}, atGroup, "", "", 0, ""},
		"a lock on the group": {func(w *world, _, group string) { w.Lock(group, azure.CanNotDelete) }, atGroup, "", "ScopeLocked", 409, "are locked"},
		"a lock above":        {func(w *world, sub, _ string) { w.Lock("/subscriptions/"+sub, azure.CanNotDelete) }, atGroup, "", "ScopeLocked", 409, "are locked"},
		"a lock below":        {func(w *world, _, group string) { w.Lock(group, azure.CanNotDelete) }, atSub, "", "", 0, ""},
		"a read-only lock":    {func(w *world, _, group string) { w.Lock(group, azure.ReadOnly) }, atGroup, "ScopeLocked", "ScopeLocked", 409, "are locked"},
		"a lock that was taken away": {func(w *world, _, group string) {
			w.Lock(group, azure.ReadOnly)
			w.Lock(group, "")
		}, atGroup, "", "", 0, ""},
		"a disabled subscription": {
			func(w *world, sub, _ string) { w.DisableSubscription(sub, true) }, atGroup,
			"ReadOnlyDisabledSubscription", "ReadOnlyDisabledSubscription", 409, "until it is re-enabled",
		},
		"a policy": {
			func(w *world, sub, _ string) { w.DenyRoles("/subscriptions/"+sub, "no-roles") }, atGroup,
			"RequestDisallowedByPolicy", "", 403, "no-roles",
		},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, azure.Options{Stale: -1})
			sub := w.AddSubscription(w.tenant, "")
			group := w.AddResourceGroup(sub, "rg")
			at := c.at(sub, group)
			there := w.PlantAssignment(azure.Assignment{Scope: at, Role: "Reader", Principal: w.PlantGroup(w.tenant, azure.Group{DisplayName: "held"})})
			c.prepare(w, sub, group)
			check := func(what, want string, got reply) {
				if got.code() != want || want != "" && (got.status != c.status || !strings.Contains(got.message(), c.text)) {
					t.Errorf("%s: %d %s %q, want %d %s that says %q", what, got.status, got.code(), got.message(), c.status, want, c.text)
				}
			}
			check("giving", c.put, w.call("PUT", roleAssignments(at, guid())+"?"+v, grant(w.PlantGroup(w.tenant, azure.Group{DisplayName: "fresh"}), w.RoleID("Contributor"))))
			check("taking", c.remove, w.call("DELETE", roleAssignments(at, there)+"?"+v, nil))
		})
	}
}

func atGroup(_, group string) string { return group }
func atSub(sub, _ string) string     { return "/subscriptions/" + sub }

// TestInvitationsAreRefused as the settings of the tenant say.
func TestInvitationsAreRefused(t *testing.T) {
	w := newWorld(t, azure.Options{Stale: -1})
	invite := func(address string) reply {
		return w.call("POST", "/invitations", map[string]any{"invitedUserEmailAddress": address, "inviteRedirectUrl": "https://example.com"})
	}
	w.BlockInvitations(w.tenant, "Blocked.example")
	if got := invite("a@blocked.EXAMPLE"); got.status != 400 || got.code() != "BadRequest" || !strings.Contains(got.message(), "domain of the invited user") {
		t.Errorf("a blocked domain: %d %s", got.status, got.message())
	}
	if got := invite("a@partner.example"); got.status != 201 {
		t.Errorf("another domain: %d %s", got.status, got.message())
	}
	w.BlockInvitations(w.tenant, "*")
	if got := invite("b@partner.example"); got.status != 401 || got.code() != "Unauthorized" {
		t.Errorf("no invitations at all: %d %s", got.status, got.message())
	}
}
