package clouds

import (
	"fmt"
	"hash/fnv"
	"os"

	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// credentials makes those that Rollcall signs in with, where there are none yet.
func (c *Clouds) credentials() error {
	c.azure.AddTenant(Tenant, Domain)
	c.azure.AddApp(Tenant, application, c.secret("azure client"))
	c.azure.AddSubscription(Tenant, Subscription)
	for _, set := range []string{"AdministratorAccess", "PowerUserAccess", "ViewOnlyAccess"} {
		c.aws.PermissionSet(set)
	}
	if _, err := os.Stat(c.googleKey()); err == nil {
		return c.keep()
	}
	key, err := google.NewKey()
	if err != nil {
		return fmt.Errorf("clouds: %w", err)
	}
	c.google.AddAccount(google.Account{
		Email: serviceAccount, PublicKey: key.Public, GroupsAdmin: true, UsersReader: true, PolicyAdmin: true,
	})
	file, err := key.File(serviceAccount, c.URL(Google)+"/token")
	if err != nil {
		return fmt.Errorf("clouds: %w", err)
	}
	if err := os.WriteFile(c.googleKey(), file, 0o600); err != nil {
		return fmt.Errorf("clouds: %w", err)
	}
	return c.keep()
}

func (c *Clouds) googleKey() string { return c.path("google-service-account") }

// Environ returns the variables that a worker finds its credentials in: the
// documents name their prefixes.
func (c *Clouds) Environ() map[string]string {
	return map[string]string{
		"ROLLCALL_AWS_ACCESS_KEY_ID":     "AKIA" + c.secret("aws id")[:16],
		"ROLLCALL_AWS_SECRET_ACCESS_KEY": c.secret("aws key"),
		"ROLLCALL_AZURE_CLIENT_ID":       application,
		"ROLLCALL_AZURE_CLIENT_SECRET":   c.secret("azure client"),
		"ROLLCALL_GCP_CREDENTIALS_FILE":  c.googleKey(),
		"ROLLCALL_CF_CLIENT_ID":          "rollcall",
		"ROLLCALL_CF_CLIENT_SECRET":      c.secret("cf client"),
	}
}

// Place returns the id of a place on a cloud, made the first time: an AWS account,
// an Azure resource group, a Google project, a Cloud Foundry space in the
// organization of the same name. Names are lower-case letters, digits and dashes.
func (c *Clouds) Place(cloud, name string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cloud + " " + name
	if id := c.kept.Places[key]; id != "" {
		return id, nil
	}
	var id string
	switch cloud {
	case AWS:
		id = fmt.Sprintf("%012d", 100_000_000_000+number(name)%800_000_000_000)
		c.aws.Account(id, name)
	case Azure:
		id = c.azure.AddResourceGroup(Subscription, name)
	case "cluster":
		id = c.azure.AddCluster(Subscription, name, "cluster")
	case Google:
		c.google.AddProject(name)
		id = name
	case CloudFoundry:
		id = c.cloudFoundry.AddSpace(c.cloudFoundry.AddOrganization(name), "production")
	default:
		return "", fmt.Errorf("clouds: there is no cloud %q", cloud)
	}
	c.kept.Places[key] = id
	return id, c.keep()
}

// number is a large number that depends on the text alone.
func number(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum64()
}

// People makes the accounts that are missing on all clouds, named like mail
// addresses.
func (c *Clouds) People(names []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		address := name + "@" + Domain
		if c.kept.People[address] {
			continue
		}
		c.aws.User(address)
		c.azure.AddUser(Tenant, address, address, true)
		c.google.AddUser(google.User{PrimaryEmail: address, GivenName: name, FamilyName: "Example"})
		c.cloudFoundry.AddUser(address, "corporate-sso")
		c.kept.People[address] = true
	}
	return c.keep()
}
