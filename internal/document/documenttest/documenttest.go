// Package documenttest makes documents for tests: random organisations, small enough that
// names meet.
package documenttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// object is a part of a document.
type object = map[string]any

// Documents are documents by their IDs. Their references may lead nowhere, a workspace's
// group may have the name of a global group, and several users may have one account.
type Documents map[document.ID]document.Document

// List returns the documents in the order of their IDs.
func (all Documents) List() []document.Document {
	return slices.SortedFunc(maps.Values(all), func(a, b document.Document) int { return a.ID.Compare(b.ID) })
}

// The names of documents.
const (
	workspaces = "w x"
	projects   = "p q"
	users      = "ada ben cyd"
	groups     = "crew desk"
	roles      = "admin reader"
	platforms  = "m.a m.b"
	zones      = "dev prod"
	guards     = "one two"
	policies   = "open shut"
	bindings   = "b1 b2 b3"
)

// Draw returns a random organisation.
func Draw(t *rapid.T) Documents {
	all := Documents{}
	for _, kind := range document.Kinds() {
		for _, id := range idsOf(kind) {
			all.redraw(t, id)
		}
	}
	return all
}

// Change returns the organisation with some documents created, changed and removed, and the
// IDs of those that differ.
func (all Documents) Change(t *rapid.T) (Documents, []document.ID) {
	after := maps.Clone(all)
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		kind := rapid.SampledFrom(document.Kinds()).Draw(t, "kind")
		after.redraw(t, rapid.SampledFrom(idsOf(kind)).Draw(t, "document"))
	}
	var changed []document.ID
	for _, kind := range document.Kinds() {
		for _, id := range idsOf(kind) {
			if string(all[id].Body) != string(after[id].Body) {
				changed = append(changed, id)
			}
		}
	}
	return after, changed
}

// idsOf are the documents of a kind that an organisation may have.
func idsOf(kind document.Kind) []document.ID {
	var names []string
	switch kind {
	case document.KindWorkspace:
		names = strings.Fields(workspaces)
	case document.KindProject:
		names = joined(strings.Fields(workspaces), ".", strings.Fields(projects))
	case document.KindUser:
		names = strings.Fields(users)
	case document.KindUserGroup:
		names = joined(append([]string{""}, strings.Fields(workspaces)...), ".", strings.Fields(groups))
	case document.KindProjectRole:
		names = strings.Fields(roles)
	case document.KindPlatform:
		names = strings.Fields(platforms)
	case document.KindLandingZone:
		names = strings.Fields(zones)
	case document.KindGuard:
		names = strings.Fields(guards)
	case document.KindAccessPolicy:
		names = strings.Fields(policies)
	case document.KindTenant:
		names = joined(joined(strings.Fields(workspaces), ".", strings.Fields(projects)), "/", strings.Fields(platforms))
	default:
		names = strings.Fields(bindings)
	}
	ids := make([]document.ID, len(names))
	for i, name := range names {
		ids[i] = document.ID{Kind: kind, Name: name}
	}
	return ids
}

func joined(before []string, separator string, after []string) []string {
	var names []string
	for _, a := range before {
		for _, b := range after {
			names = append(names, a+separator+b)
		}
	}
	return names
}

// redraw replaces a document, or removes it one time in four.
func (all Documents) redraw(t *rapid.T, id document.ID) {
	if rapid.IntRange(0, 3).Draw(t, "absent "+id.String()) == 0 {
		delete(all, id)
		return
	}
	version, tree := draw(t, id)
	tree["apiVersion"], tree["kind"] = version, string(id.Kind)
	body, err := json.Marshal(tree)
	if err != nil {
		t.Fatalf("%v", err)
	}
	all[id] = document.Document{ID: id, APIVersion: version, Body: body}
}

// draw returns the version and the fields of a document.
func draw(t *rapid.T, id document.ID) (string, object) {
	one := func(names string) string { return rapid.SampledFrom(strings.Fields(names)).Draw(t, "name") }
	subset := func(names string) []string {
		return slices.DeleteFunc(strings.Fields(names), func(string) bool { return rapid.Bool().Draw(t, "without") })
	}
	variant := strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "variant"))
	owner, name, _ := strings.Cut(id.Name, ".")
	switch id.Kind {
	case document.KindWorkspace:
		return "v2", object{"metadata": object{"name": id.Name}, "spec": object{"displayName": variant}}
	case document.KindProject:
		return "v2", object{"metadata": object{"name": name, "ownedByWorkspace": owner}, "spec": object{"displayName": variant}}
	case document.KindUser:
		return "v2", object{"metadata": object{"name": id.Name}, "spec": object{"euid": one(id.Name+" one ONE") + "-" + variant}}
	case document.KindUserGroup:
		metadata := object{"name": name}
		if owner != "" {
			metadata["ownedByWorkspace"] = owner
		}
		return "v1", object{"metadata": metadata, "spec": object{"displayName": variant, "members": subset(users)}}
	case document.KindProjectRole:
		return "v1", object{"metadata": object{"name": id.Name}, "spec": object{"name": "role " + variant}}
	case document.KindPlatform:
		return "v1", object{"metadata": object{"name": owner}, "spec": object{
			"locationRef": object{"name": name}, "config": object{"memory": object{"replication": replication(variant, one(roles))}},
		}}
	case document.KindLandingZone:
		return "v1", object{"metadata": object{"name": id.Name}, "spec": object{
			"platformRef":        object{"name": one(platforms)},
			"platformProperties": object{"memory": object{"roleMappings": mappings(variant, one(roles))}},
		}}
	case document.KindGuard:
		return "v1", object{"metadata": object{"name": id.Name}, "spec": object{
			"platforms": subset(platforms), "group": object{"most": rapid.IntRange(0, 2).Draw(t, "most")},
		}}
	case document.KindAccessPolicy:
		return "v1", object{"metadata": object{"name": id.Name}, "spec": object{"rules": []object{{
			"callers": object{"issuer": "https://login.example.com", "subject": one(users)},
			"roles":   []string{"editor"}, "workspaces": []string{one(workspaces)},
		}}}}
	case document.KindTenant:
		return "v3", tenant(id.Name, variant, rapid.SampledFrom(append([]string{""}, strings.Fields(zones)...)).Draw(t, "zone"))
	case document.KindWorkspaceUserBinding:
		return "v2", workspaceBinding(id.Name, one("Manager Member"), one(workspaces), one(users))
	case document.KindWorkspaceGroupBinding:
		return "v2", workspaceBinding(id.Name, one("Manager Member"), one(workspaces), one(groups))
	default:
		subjects := users
		if id.Kind == document.KindGroupBinding {
			subjects = groups
		}
		return "v3", object{
			"metadata":  object{"name": id.Name},
			"roleRef":   object{"name": rapid.SampledFrom(append(strings.Fields(roles), "role 0")).Draw(t, "role")},
			"targetRef": object{"name": one(projects), "ownedByWorkspace": one(workspaces)}, "subject": object{"name": one(subjects)},
		}
	}
}

func workspaceBinding(name, role, workspace, subject string) object {
	return object{
		"metadata": object{"name": name}, "roleRef": object{"name": "Workspace " + role},
		"targetRef": object{"name": workspace}, "subject": object{"name": subject},
	}
}

func tenant(id, variant, zone string) object {
	project, platform, _ := strings.Cut(id, "/")
	workspace, name, _ := strings.Cut(project, ".")
	spec := object{"localId": fmt.Sprintf("%s-%s", id, variant)}
	if zone != "" {
		spec["landingZoneIdentifier"] = zone
	}
	return object{
		"metadata": object{"ownedByWorkspace": workspace, "ownedByProject": name, "platformIdentifier": platform}, "spec": spec,
	}
}

func replication(variant, role string) object {
	return object{"groupNamePattern": "#{projectIdentifier}-" + variant, "roleMappings": mappings(variant, role)}
}

func mappings(variant, role string) []object {
	return []object{{"projectRoleRef": object{"name": role}, "roles": []string{"role-" + variant}}}
}
