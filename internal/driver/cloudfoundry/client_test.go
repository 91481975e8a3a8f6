package cloudfoundry_test

import (
	"net/http/httptest"
	"testing"

	"github.com/cloudfoundry/go-cfclient/v3/client"
	"github.com/cloudfoundry/go-cfclient/v3/config"
	"github.com/cloudfoundry/go-cfclient/v3/resource"

	simulated "github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
)

// TestVendorsClient lets go-cfclient do with the simulated Cloud Foundry what the
// driver does: it cannot tell it from a real one.
func TestVendorsClient(t *testing.T) {
	cloud, err := simulated.New(simulated.Options{PageCap: 2})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(cloud)
	t.Cleanup(server.Close)
	space := cloud.AddSpace(cloud.AddOrganization("acme"), "shop")
	settings, err := config.New(server.URL, config.ClientCredentials("admin", "admin-secret"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Spaces.Get(t.Context(), space)
	if err != nil || found.Relationships.Organization.Data.GUID == "" {
		t.Fatalf("space %+v, %v", found, err)
	}
	for _, name := range []string{"ada@example.com", "ben@example.com", "cleo@example.com"} {
		made, err := c.Users.CreateWithUsername(t.Context(), resource.NewUserCreateWithUsername(name, sso))
		if err != nil {
			t.Fatal(err)
		}
		org := found.Relationships.Organization.Data.GUID
		if _, err := c.Roles.CreateOrganizationRole(t.Context(), org, made.GUID, resource.OrganizationRoleUser); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Roles.CreateSpaceRole(t.Context(), space, made.GUID, resource.SpaceRoleDeveloper); err != nil {
			t.Fatal(err)
		}
		_, err = c.Roles.CreateSpaceRole(t.Context(), space, made.GUID, resource.SpaceRoleDeveloper)
		if !resource.IsUnprocessableEntityError(err) {
			t.Errorf("a role given twice: %v", err)
		}
	}
	options := client.NewRoleListOptions()
	options.SpaceGUIDs = client.Filter{Values: []string{space}}
	roles, users, err := c.Roles.ListIncludeUsersAll(t.Context(), options)
	if err != nil || len(roles) != 3 || len(users) != 3 || *users[0].Username != "ada@example.com" || *users[0].Origin != sso {
		t.Fatalf("%d roles of %d users, %v; want 3 on two pages", len(roles), len(users), err)
	}
	job, err := c.Roles.Delete(t.Context(), roles[0].GUID)
	if err != nil || job == "" {
		t.Fatalf("job %q, %v", job, err)
	}
	if done, err := c.Jobs.Get(t.Context(), job); err != nil || done.State != resource.JobStateComplete {
		t.Errorf("the job %+v, %v", done, err)
	}
	if _, err := c.Roles.Get(t.Context(), roles[0].GUID); !resource.IsResourceNotFoundError(err) {
		t.Errorf("a role that is gone: %v", err)
	}
}
