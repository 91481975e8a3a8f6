package rules

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

//go:embed document.json
var document []byte

//go:embed connection.json
var connection []byte

// PlatformType describes the type for everything that has no platform at hand.
func PlatformType() driver.Type {
	return driver.Type{
		Profile: Profile(), Validate: Fit, Document: document, Connection: connection,
		TenantKey: tenantKey, CheckSettings: checkSettings,
	}
}

// tenantKey returns the space of a tenant, which may be written with its organization before
// it. The Cloud Controller compares ids exactly.
func tenantKey(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// Settings is what the driver reads of a platform document's spec.config.cloudfoundry.
type Settings struct {
	// Origin is UAA's key of the identity provider whose users are looked up. Users of
	// others may have the same names.
	Origin      string `json:"origin"`
	Replication struct {
		UserCreation *struct {
			Origin string `json:"origin"`
		} `json:"userCreation"`
	} `json:"replication"`
}

// Check returns the field and what to do about settings by which users of several identity
// providers could be taken for one, or empty texts.
func (s Settings) Check() (field, problem string) {
	const created = "replication.userCreation.origin"
	creation := s.Replication.UserCreation
	switch {
	case s.Origin == "":
		return "origin", "is missing: write UAA's key of the identity provider whose users are looked up, as cf curl /v3/users shows it"
	case creation == nil:
		return "", ""
	case creation.Origin == "" || creation.Origin == "uaa":
		return created, "name the identity provider, and not uaa: its accounts need a password"
	case creation.Origin != s.Origin:
		return created, fmt.Sprintf("%q is not the platform's origin %q, so that lookups would not find the accounts: "+
			"write one of them for both", creation.Origin, s.Origin)
	default:
		return "", ""
	}
}

func checkSettings(settings []byte) (field, problem string) {
	var s Settings
	if err := json.Unmarshal(settings, &s); err != nil {
		return "", "" // the schema says so
	}
	return s.Check()
}
