package openstack

import (
	"cmp"
	"fmt"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// defaultDomain is the name of the domain that every Keystone has.
const defaultDomain = "Default"

// options reads what to sign in with: USERNAME, PASSWORD, USER_DOMAIN_NAME,
// PROJECT_NAME and PROJECT_DOMAIN_NAME, or instead of the project
// SYSTEM_SCOPE=all, or instead of all of them APPLICATION_CREDENTIAL_ID and
// APPLICATION_CREDENTIAL_SECRET. What is missing is an error that names it.
func options(from *credential.Source) (*tokens.AuthOptions, error) {
	if from.WorkloadIdentity() {
		return nil, fmt.Errorf("%w: Keystone takes no workload identity: use environment or file", fault.ErrUnsupported)
	}
	values, err := from.Values()
	if err != nil {
		return nil, err
	}
	if values.Get("APPLICATION_CREDENTIAL_ID") != "" {
		application, err := values.Need("APPLICATION_CREDENTIAL_ID", "APPLICATION_CREDENTIAL_SECRET")
		if err != nil {
			return nil, err
		}
		return &tokens.AuthOptions{ApplicationCredentialID: application[0], ApplicationCredentialSecret: application[1]}, nil
	}
	user, err := values.Need("USERNAME", "PASSWORD")
	if err != nil {
		return nil, err
	}
	signIn := &tokens.AuthOptions{
		Username: user[0], Password: user[1], DomainName: cmp.Or(values.Get("USER_DOMAIN_NAME"), defaultDomain),
	}
	if values.Get("SYSTEM_SCOPE") == "all" {
		signIn.Scope = tokens.Scope{System: true}
		return signIn, nil
	}
	project, err := values.Need("PROJECT_NAME")
	if err != nil {
		return nil, err
	}
	signIn.Scope = tokens.Scope{ProjectName: project[0], DomainName: cmp.Or(values.Get("PROJECT_DOMAIN_NAME"), defaultDomain)}
	return signIn, nil
}
