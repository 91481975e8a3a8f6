package document

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

type wireWorkspace struct {
	wireEnvelope
	Metadata struct {
		Name string              `json:"name"`
		Tags map[string][]string `json:"tags"`
	} `json:"metadata"`
	Spec struct {
		DisplayName                  string              `json:"displayName"`
		Tags                         map[string][]string `json:"tags"`
		PlatformBuilderAccessEnabled json.RawMessage     `json:"platformBuilderAccessEnabled"`
	} `json:"spec"`
}

func (w *wireWorkspace) name() string { return w.Metadata.Name }

func (w *wireWorkspace) typed() (any, error) {
	// v2 has the tags in metadata, v1 in spec; the schema lets only one be set.
	tags := w.Metadata.Tags
	if tags == nil {
		tags = w.Spec.Tags
	}
	return Workspace{Name: w.Metadata.Name, DisplayName: w.Spec.DisplayName, Tags: tags}, nil
}

type wireProject struct {
	wireEnvelope
	Metadata struct {
		Name             string `json:"name"`
		OwnedByWorkspace string `json:"ownedByWorkspace"`
	} `json:"metadata"`
	Spec struct {
		DisplayName                       string              `json:"displayName"`
		Tags                              map[string][]string `json:"tags"`
		PaymentMethodIdentifier           json.RawMessage     `json:"paymentMethodIdentifier"`
		SubstitutePaymentMethodIdentifier json.RawMessage     `json:"substitutePaymentMethodIdentifier"`
	} `json:"spec"`
}

func (w *wireProject) name() string { return dotted(w.Metadata.OwnedByWorkspace, w.Metadata.Name) }

func (w *wireProject) typed() (any, error) {
	return Project{
		Workspace: w.Metadata.OwnedByWorkspace, Name: w.Metadata.Name,
		DisplayName: w.Spec.DisplayName, Tags: w.Spec.Tags,
	}, nil
}

type wireUser struct {
	wireEnvelope
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Email     string              `json:"email"`
		FirstName string              `json:"firstName"`
		LastName  string              `json:"lastName"`
		EUID      string              `json:"euid"`
		Tags      map[string][]string `json:"tags"`
	} `json:"spec"`
}

func (w *wireUser) name() string { return w.Metadata.Name }

func (w *wireUser) typed() (any, error) {
	return User{
		Name: w.Metadata.Name, Email: w.Spec.Email, FirstName: w.Spec.FirstName, LastName: w.Spec.LastName,
		// Blanks around an euid are nobody's intention, and nothing but blanks is none.
		EUID: strings.TrimSpace(w.Spec.EUID), Tags: w.Spec.Tags,
	}, nil
}

type wireUserGroup struct {
	wireEnvelope
	Metadata struct {
		Name             string `json:"name"`
		OwnedByWorkspace string `json:"ownedByWorkspace"`
	} `json:"metadata"`
	Spec struct {
		DisplayName string          `json:"displayName"`
		EGID        json.RawMessage `json:"egid"`
		Members     []string        `json:"members"`
		Tags        json.RawMessage `json:"tags"`
	} `json:"spec"`
}

func (w *wireUserGroup) name() string {
	if w.Metadata.Name == "" {
		return ""
	}
	return UserGroupID(w.Metadata.OwnedByWorkspace, w.Metadata.Name).Name
}

func (w *wireUserGroup) typed() (any, error) {
	return UserGroup{
		Workspace: w.Metadata.OwnedByWorkspace, Name: w.Metadata.Name,
		DisplayName: w.Spec.DisplayName, Members: w.Spec.Members,
	}, nil
}

type wireProjectRole struct {
	wireEnvelope
	Metadata struct {
		Name string          `json:"name"`
		Tags json.RawMessage `json:"tags"`
	} `json:"metadata"`
	Spec struct {
		Name        string          `json:"name"`
		Description json.RawMessage `json:"description"`
		Rank        int             `json:"rank"`
	} `json:"spec"`
}

func (w *wireProjectRole) name() string { return w.Metadata.Name }

func (w *wireProjectRole) typed() (any, error) {
	return ProjectRole{Name: w.Metadata.Name, DisplayName: w.Spec.Name, Rank: w.Spec.Rank}, nil
}

// wireBinding is a user binding or a group binding.
type wireBinding struct {
	wireEnvelope
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	RoleRef   wireRef `json:"roleRef"`
	TargetRef struct {
		wireRef
		OwnedByWorkspace string `json:"ownedByWorkspace"`
	} `json:"targetRef"`
	Subject wireRef `json:"subject"`
	wireEnd
}

func (w *wireBinding) name() string { return w.Metadata.Name }

func (w *wireBinding) typed() (any, error) {
	ends, field, err := w.end()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return Binding{
		Name: w.Metadata.Name, Role: w.RoleRef.Name, Subject: w.Subject.Name,
		Workspace: w.TargetRef.OwnedByWorkspace, Project: w.TargetRef.Name, Ends: ends,
	}, nil
}

// wireWorkspaceBinding is a binding of a user or a user group to a workspace.
type wireWorkspaceBinding struct {
	wireEnvelope
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	RoleRef   wireRef `json:"roleRef"`
	TargetRef wireRef `json:"targetRef"`
	Subject   wireRef `json:"subject"`
	// Subjects are those of v1: see singleBindings.
	Subjects json.RawMessage `json:"subjects"`
	wireEnd
}

func (w *wireWorkspaceBinding) name() string { return w.Metadata.Name }

func (w *wireWorkspaceBinding) typed() (any, error) {
	ends, field, err := w.end()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return WorkspaceBinding{
		Name: w.Metadata.Name, Role: WorkspaceRole(w.RoleRef.Name), Workspace: w.TargetRef.Name, Subject: w.Subject.Name, Ends: ends,
	}, nil
}

// isBinding reports whether documents of the kind give a role to a subject.
func isBinding(kind Kind) bool {
	switch kind {
	case KindUserBinding, KindGroupBinding, KindWorkspaceUserBinding, KindWorkspaceGroupBinding:
		return true
	default:
		return false
	}
}

// singleBindings returns the trees of the documents that a valid tree stands for: itself, or one
// binding of v2 for each subject of a workspace binding of v1, which has no name of its own.
func singleBindings(tree map[string]any) []map[string]any {
	kind, _ := tree["kind"].(string)
	subjects, isList := tree["subjects"].([]any)
	if !isList || Kind(kind) != KindWorkspaceUserBinding && Kind(kind) != KindWorkspaceGroupBinding {
		return []map[string]any{tree}
	}
	name := func(of any) string {
		ref, _ := of.(map[string]any)
		text, _ := ref["name"].(string)
		return text
	}
	trees := make([]map[string]any, len(subjects))
	for i, subject := range subjects {
		single := maps.Clone(tree)
		delete(single, "subjects")
		single["apiVersion"], single["subject"] = "v2", subject
		single["metadata"] = map[string]any{
			"name": strings.Join([]string{name(tree["targetRef"]), name(tree["roleRef"]), name(subject)}, "."),
		}
		trees[i] = single
	}
	return trees
}
