package document

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// wire is one document as its JSON holds it: the schema's fields, and nothing
// else. The structs that implement it have a field for each of the schema's;
// what Rollcall only passes on stays raw.
type wire interface {
	// name is the Name of the document's ID.
	name() string
	// typed is the form the rest of Rollcall works with.
	typed() (any, error)
	// rollcall is what an export says beyond the document; nil without.
	rollcall() *wireRollcall
}

// newWire returns an empty document of a kind, or nil for an unknown one.
func newWire(kind Kind) wire {
	switch kind {
	case KindWorkspace:
		return &wireWorkspace{}
	case KindProject:
		return &wireProject{}
	case KindUser:
		return &wireUser{}
	case KindUserGroup:
		return &wireUserGroup{}
	case KindProjectRole:
		return &wireProjectRole{}
	case KindUserBinding, KindGroupBinding:
		return &wireBinding{}
	case KindWorkspaceUserBinding, KindWorkspaceGroupBinding:
		return &wireWorkspaceBinding{}
	case KindPlatform:
		return &wirePlatform{}
	case KindGuard:
		return &wireGuard{}
	case KindLandingZone:
		return &wireLandingZone{}
	case KindTenant:
		return &wireTenant{}
	case KindAccessPolicy:
		return &wirePolicy{}
	default:
		return nil
	}
}

// Parse returns the typed form of a document that Decode or a store gave:
// Workspace, Project, User, UserGroup, ProjectRole, Binding (for both kinds of
// them), WorkspaceBinding (likewise), Platform, Guard, LandingZone, Tenant or AccessPolicy.
// Settings that were left out have their defaults.
func Parse(d Document) (any, error) {
	w := newWire(d.ID.Kind)
	if w == nil {
		return nil, fmt.Errorf("document: %w: %q", ErrUnknownKind, d.ID.Kind)
	}
	if err := json.Unmarshal(d.Body, w); err != nil {
		return nil, fmt.Errorf("document: %s: %w", d.ID, err)
	}
	typed, err := w.typed()
	if err != nil {
		return nil, fmt.Errorf("document: %s: %w", d.ID, err)
	}
	return typed, nil
}

// wireEnvelope is what every document begins with.
type wireEnvelope struct {
	APIVersion string `json:"apiVersion"`
	Kind       Kind   `json:"kind"`
	// Rollcall is no part of the document's body.
	Rollcall *wireRollcall `json:"rollcall"`
}

func (w wireEnvelope) rollcall() *wireRollcall { return w.Rollcall }

// wireRef is a reference by name.
type wireRef struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// dotted joins the parts of a name, or returns nothing while one is missing.
func dotted(parts ...string) string {
	if slices.Contains(parts, "") {
		return ""
	}
	return strings.Join(parts, ".")
}

// CheckID reports a document whose ID is not the one that its body has. Decode gives none; a
// caller who sends IDs beside bodies may.
func (d Document) CheckID() error {
	w := newWire(d.ID.Kind)
	if w == nil {
		return fmt.Errorf("document: %w: %q", ErrUnknownKind, d.ID.Kind)
	}
	var envelope wireEnvelope
	if err := json.Unmarshal(d.Body, &envelope); err != nil {
		return fmt.Errorf("document: %s: %w", d.ID, err)
	}
	if err := json.Unmarshal(d.Body, w); err != nil {
		return fmt.Errorf("document: %s: %w", d.ID, err)
	}
	if id := (ID{Kind: envelope.Kind, Name: w.name()}); id != d.ID {
		return fmt.Errorf("document: the body of %s is that of %s", d.ID, id)
	}
	return nil
}
