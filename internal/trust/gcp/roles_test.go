package gcp

import "testing"

func TestRoles_IsPrivilege(t *testing.T) {
	t.Parallel()
	custom := newRoles([]Role{
		{Name: "projects/p/roles/policies", Permissions: []string{"storage.objects.get", "resourcemanager.projects.setIamPolicy"}},
		{Name: "projects/p/roles/objects", Permissions: []string{"storage.objects.get"}},
		{Name: "projects/p/roles/tokens", Permissions: []string{"iam.serviceAccounts.getAccessToken"}},
	})
	tests := []struct {
		role            string
		container       bool
		want, asAccount bool
		reason          string
	}{
		{"roles/owner", false, true, false, "an owner, on anything"},
		{"roles/viewer", true, false, false, "a reader"},
		{"roles/iam.securityAdmin", true, true, false, "policies of a project"},
		{"roles/iam.securityAdmin", false, false, false, "policies of one resource"},
		{"projects/p/roles/policies", true, true, false, "a custom role for policies"},
		{"projects/p/roles/policies", false, false, false, "a custom role for policies, on a bucket"},
		{"projects/p/roles/objects", true, false, false, "a custom role that reads"},
		{"projects/p/roles/tokens", true, true, true, "a custom role for tokens of all accounts"},
		{"projects/p/roles/tokens", false, false, true, "a custom role for tokens of one account"},
		{"projects/q/roles/policies", true, false, false, "a custom role that is not known"},
		{workloadIdentityUser, false, false, true, "the role to act as an account"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			if got := custom.isPrivilege(test.role, test.container); got != test.want {
				t.Errorf("isPrivilege(%q, %v) = %v, want %v", test.role, test.container, got, test.want)
			}
			if got := custom.isImpersonation(test.role); got != test.asAccount {
				t.Errorf("isImpersonation(%q) = %v, want %v", test.role, got, test.asAccount)
			}
		})
	}
}
