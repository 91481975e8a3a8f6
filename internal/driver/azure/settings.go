package azure

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// LookUpVariable names the variable of the worker that says how people are looked
// up where a document does not: one setting for all platforms with Entra.
const LookUpVariable = "ROLLCALL_AAD_USER_LOOKUP_STRATEGY"

// Where the public cloud is.
const (
	publicLogin = "https://login.microsoftonline.com"
	publicGraph = "https://graph.microsoft.com"
	publicARM   = "https://management.azure.com"
)

// Connection is what the driver reads of a connection of type azure.
type Connection struct {
	// TenantID is the Entra tenant's: a GUID or one of its domains.
	TenantID string `json:"tenantId"`
	// ClientID is the application that the account is, where auth names a token's
	// file or a managed identity.
	ClientID string `json:"clientId"`
	// AdministrativeUnitID is where groups are put; empty for nowhere.
	AdministrativeUnitID string            `json:"administrativeUnitId"`
	Endpoints            Endpoints         `json:"endpoints"`
	Auth                 credential.Config `json:"auth"`
}

// Settings is what the driver reads of a platform document's spec.config.azure.
type Settings struct {
	Replication struct {
		// UserLookUpStrategy is userByUsername or userByMail.
		UserLookUpStrategy string      `json:"userLookUpStrategy"`
		RoleMappings       []mapping   `json:"roleMappings"`
		Invitation         *invitation `json:"b2bUserInvitation"`
	} `json:"replication"`
}

// Endpoints are the addresses of another cloud than the public one. They are
// https, or http to this machine.
type Endpoints struct {
	Login           string `json:"login"`
	Graph           string `json:"graph"`
	ResourceManager string `json:"resourceManager"`
}

// mapping is a part of a role mapping.
type mapping struct {
	Roles []string `json:"roles"`
}

// invitation says how people are invited.
type invitation struct {
	RedirectURL string `json:"redirectUrl"`
	SendMail    bool   `json:"sendAzureInvitationMail"`
}

// lookUp is the attribute of a user that names the account.
type lookUp string

// The attributes, as Graph calls them.
const (
	byUsername lookUp = "userPrincipalName"
	byMail     lookUp = "mail"
)

// read returns the document's settings, checked.
func read(config driver.Config, connection driver.Connection) (Settings, lookUp, error) {
	var s Settings
	if err := config.Decode(&s); err != nil {
		return s, "", err
	}
	invite := s.Replication.Invitation
	if invite != nil && invite.RedirectURL != "" && !slices.Contains(connection.RedirectURLs, invite.RedirectURL) {
		return s, "", fmt.Errorf("%w: b2bUserInvitation.redirectUrl %q is not among the redirectUrls of connection %q",
			fault.ErrDenied, invite.RedirectURL, connection.Name)
	}
	by, err := strategy(cmp.Or(s.Replication.UserLookUpStrategy, config.Env()(LookUpVariable)))
	return s, by, err
}

// account returns what a connection says, checked, with the defaults filled in.
func account(connection driver.Connection) (Connection, error) {
	var c Connection
	if err := connection.Decode(&c); err != nil {
		return c, err
	}
	if !tenantPattern.MatchString(c.TenantID) {
		return c, fmt.Errorf("%w: tenantId is not the id of an Entra tenant: write its GUID or one of its domains", fault.ErrInvalid)
	}
	if c.AdministrativeUnitID != "" && !isGUID(c.AdministrativeUnitID) {
		return c, fmt.Errorf("%w: administrativeUnitId is not a GUID", fault.ErrInvalid)
	}
	e := &c.Endpoints
	e.Login, e.Graph, e.ResourceManager = cmp.Or(e.Login, publicLogin), cmp.Or(e.Graph, publicGraph), cmp.Or(e.ResourceManager, publicARM)
	for name, address := range map[string]*string{"login": &e.Login, "graph": &e.Graph, "resourceManager": &e.ResourceManager} {
		if !credential.IsEndpoint(*address) {
			// The text is not quoted: it may hold a password.
			return c, fmt.Errorf("%w: endpoints.%s is not an address: write https://host", fault.ErrInvalid, name)
		}
		*address = strings.TrimSuffix(*address, "/")
	}
	return c, nil
}

// strategy reads the way to look people up, also as meshStack writes it.
func strategy(text string) (lookUp, error) {
	switch strings.TrimSuffix(strings.ToLower(text), "lookupstrategy") {
	case "", "userbyusername":
		return byUsername, nil
	case "userbymail":
		return byMail, nil
	default:
		return "", fmt.Errorf("%w: user lookup strategy %q: write userByUsername or userByMail", fault.ErrInvalid, text)
	}
}

// tenantPattern is a GUID or a domain: one segment of a path.
var tenantPattern = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z.-]{0,251}[0-9A-Za-z])?$`)

// guidPattern is the form of all ids that Microsoft draws.
var guidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func isGUID(s string) bool { return guidPattern.MatchString(s) }

// audience is whom a token for the endpoint is made for. A simulated cloud on this
// machine stands for the public one.
func audience(endpoint, public string) string {
	if strings.HasPrefix(endpoint, "http://") {
		endpoint = public
	}
	return endpoint + "/.default"
}
