package document

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/euid"
)

var errNoType = errors.New("no platform type")

type wirePlatform struct {
	wireEnvelope
	Metadata struct {
		Name             string          `json:"name"`
		OwnedByWorkspace json.RawMessage `json:"ownedByWorkspace"`
	} `json:"metadata"`
	Spec struct {
		DisplayName            json.RawMessage `json:"displayName"`
		Description            json.RawMessage `json:"description"`
		LocationRef            wireRef         `json:"locationRef"`
		Endpoint               json.RawMessage `json:"endpoint"`
		SupportURL             json.RawMessage `json:"supportUrl"`
		DocumentationURL       json.RawMessage `json:"documentationUrl"`
		ContributingWorkspaces json.RawMessage `json:"contributingWorkspaces"`
		Availability           json.RawMessage `json:"availability"`
		QuotaDefinitions       json.RawMessage `json:"quotaDefinitions"`
		Config                 wireTypes       `json:"config"`
	} `json:"spec"`
}

// wireTypes is a mapping with one platform type's part, and perhaps its name
// once more as "type".
type wireTypes map[string]json.RawMessage

// chosen returns the type and its part.
func (w wireTypes) chosen() (string, json.RawMessage) {
	for platformType, part := range w {
		if platformType != "type" {
			return platformType, part
		}
	}
	return "", nil
}

// wireReplication is what all platform types share.
type wireReplication struct {
	EUIDPattern                    string            `json:"euidPattern"`
	GroupNamePattern               string            `json:"groupNamePattern"`
	UserLookUpStrategy             json.RawMessage   `json:"userLookUpStrategy"`
	RoleMappings                   []wireRoleMapping `json:"roleMappings"`
	AdditionalPermissions          string            `json:"additionalPermissions"`
	Rename                         string            `json:"rename"`
	CarryForeignPermissions        string            `json:"carryForeignPermissions"`
	Removals                       string            `json:"removals"`
	SkipUserGroupPermissionCleanup *bool             `json:"skipUserGroupPermissionCleanup"`
	B2BUserInvitation              json.RawMessage   `json:"b2bUserInvitation"`
	UserCreation                   json.RawMessage   `json:"userCreation"`
}

// forbid is the value of removals for which replication only adds.
const forbid = "forbid"

type wireRoleMapping struct {
	ProjectRoleRef wireRef  `json:"projectRoleRef"`
	GroupAlias     string   `json:"groupAlias"`
	Roles          []string `json:"roles"`
	// Conditions are by role.
	Conditions map[string]string `json:"conditions"`
}

func (w *wirePlatform) name() string { return dotted(w.Metadata.Name, w.Spec.LocationRef.Name) }

func (w *wirePlatform) typed() (any, error) {
	platformType, settings := w.Spec.Config.chosen()
	if platformType == "" {
		return nil, errNoType
	}
	var common struct {
		Connection  string          `json:"connection"`
		Replication wireReplication `json:"replication"`
	}
	if err := json.Unmarshal(settings, &common); err != nil {
		return nil, fmt.Errorf("spec.config.%s: %w", platformType, err)
	}
	return Platform{
		Name: w.Metadata.Name, Location: w.Spec.LocationRef.Name,
		Type: platformType, Connection: common.Connection, Settings: settings, Replication: common.Replication.typed(),
	}, nil
}

func (w wireReplication) typed() Replication {
	return Replication{
		EUIDPattern:           cmp.Or(w.EUIDPattern, euid.Default),
		GroupNamePattern:      w.GroupNamePattern,
		RoleMappings:          roleMappings(w.RoleMappings),
		AdditionalPermissions: w.AdditionalPermissions,
		SkipCleanup:           w.SkipUserGroupPermissionCleanup,
		Rename:                cmp.Or(w.Rename, "recreate"),
		BringIn:               w.B2BUserInvitation != nil || w.UserCreation != nil,

		CarryForeignPermissions: w.CarryForeignPermissions == "ask",
		ForbidRemovals:          w.Removals == forbid,
	}
}

func roleMappings(mappings []wireRoleMapping) []RoleMapping {
	var typed []RoleMapping
	for _, m := range mappings {
		typed = append(typed, RoleMapping{
			Role: m.ProjectRoleRef.Name, GroupAlias: m.GroupAlias, Roles: m.Roles, Conditions: m.Conditions,
		})
	}
	return typed
}

type wireLandingZone struct {
	wireEnvelope
	Metadata struct {
		Name             string          `json:"name"`
		OwnedByWorkspace json.RawMessage `json:"ownedByWorkspace"`
		Tags             json.RawMessage `json:"tags"`
	} `json:"metadata"`
	Spec struct {
		DisplayName                  json.RawMessage `json:"displayName"`
		Description                  json.RawMessage `json:"description"`
		PlatformRef                  wireRef         `json:"platformRef"`
		AutomateDeletionApproval     bool            `json:"automateDeletionApproval"`
		AutomateDeletionReplication  json.RawMessage `json:"automateDeletionReplication"`
		InfoLink                     json.RawMessage `json:"infoLink"`
		Quotas                       json.RawMessage `json:"quotas"`
		MandatoryBuildingBlockRefs   json.RawMessage `json:"mandatoryBuildingBlockRefs"`
		RecommendedBuildingBlockRefs json.RawMessage `json:"recommendedBuildingBlockRefs"`
		PlatformProperties           wireTypes       `json:"platformProperties"`
	} `json:"spec"`
}

// wireProperties is what a landing zone says for any platform type.
type wireProperties struct {
	RoleMappings []wireRoleMapping `json:"roleMappings"`
	Removals     string            `json:"removals"`
}

func (w *wireLandingZone) name() string { return w.Metadata.Name }

func (w *wireLandingZone) typed() (any, error) {
	zone := LandingZone{Name: w.Metadata.Name, Platform: w.Spec.PlatformRef.Name, ApproveDeletion: w.Spec.AutomateDeletionApproval}
	platformType, part := w.Spec.PlatformProperties.chosen()
	if platformType == "" {
		return zone, nil
	}
	var properties wireProperties
	if err := json.Unmarshal(part, &properties); err != nil {
		return nil, fmt.Errorf("spec.platformProperties.%s: %w", platformType, err)
	}
	zone.Type = platformType
	zone.RoleMappings = roleMappings(properties.RoleMappings)
	zone.ForbidRemovals = properties.Removals == forbid
	return zone, nil
}
