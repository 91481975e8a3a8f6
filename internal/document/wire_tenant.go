package document

import (
	"cmp"
	"encoding/json"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// wireTenant is a tenant in any version; the schema says which fields go
// together.
type wireTenant struct {
	wireEnvelope
	Metadata struct {
		OwnedByWorkspace   string `json:"ownedByWorkspace"`
		OwnedByProject     string `json:"ownedByProject"`
		PlatformIdentifier string `json:"platformIdentifier"` // v3
	} `json:"metadata"`
	Spec struct {
		PlatformIdentifier    string          `json:"platformIdentifier"` // v4
		PlatformRef           wireRef         `json:"platformRef"`        // v4
		LandingZoneIdentifier string          `json:"landingZoneIdentifier"`
		LandingZoneRef        wireRef         `json:"landingZoneRef"`   // v4
		LocalID               string          `json:"localId"`          // v3
		PlatformTenantID      string          `json:"platformTenantId"` // v4
		Quotas                json.RawMessage `json:"quotas"`
	} `json:"spec"`
	Rollcall *wireDrawn `json:"rollcall"`
}

// wireDrawn is what an export says about a tenant beyond its document.
type wireDrawn struct {
	wireRollcall
	TenantPlatformNumber int    `json:"tenantPlatformNumber"`
	Rand                 string `json:"rand"`
}

func (w *wireTenant) rollcall() *wireRollcall {
	if w.Rollcall == nil {
		return nil
	}
	return &w.Rollcall.wireRollcall
}

// drawn returns the numbers of the section, nil without.
func (w *wireTenant) drawn() *Drawn {
	if w.Rollcall == nil || w.Rollcall.TenantPlatformNumber == 0 {
		return nil
	}
	return &Drawn{Number: w.Rollcall.TenantPlatformNumber, Random: w.Rollcall.Rand}
}

func (w *wireTenant) id() access.TenantID {
	return access.TenantID{
		Workspace: w.Metadata.OwnedByWorkspace,
		Project:   w.Metadata.OwnedByProject,
		Platform:  cmp.Or(w.Metadata.PlatformIdentifier, w.Spec.PlatformIdentifier, w.Spec.PlatformRef.Name),
	}
}

func (w *wireTenant) name() string {
	id := w.id()
	switch {
	case dotted(id.Workspace, id.Project) == "":
		return ""
	case id.Platform == "":
		return id.ProjectID()
	default:
		return id.String()
	}
}

func (w *wireTenant) typed() (any, error) {
	return Tenant{
		TenantID:    w.id(),
		LandingZone: cmp.Or(w.Spec.LandingZoneIdentifier, w.Spec.LandingZoneRef.Name),
		LocalID:     cmp.Or(w.Spec.LocalID, w.Spec.PlatformTenantID),
	}, nil
}
