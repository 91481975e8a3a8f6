package connection

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Extract returns the connections that a platform needs whose document held the
// settings, as it was before connections: addresses, replication.credentials and
// replication.budget. A platform of a composed type needs several.
//
// redirectURL is where the document's invitations lead to; empty where it has none.
func Extract(platform, of string, settings json.RawMessage, redirectURL string, all []driver.Type) ([]map[string]any, error) {
	i := slices.IndexFunc(all, func(t driver.Type) bool { return t.Name() == of })
	if i < 0 {
		return nil, fmt.Errorf("connection: platform %s: there is no type %q", platform, of)
	}
	former := map[string]any{}
	if err := json.Unmarshal(settings, &former); err != nil {
		return nil, fmt.Errorf("connection: platform %s: %w", platform, err)
	}
	replication, _ := former["replication"].(map[string]any)
	delete(former, "replication")
	delete(former, "region")
	delete(former, "origin") // the document still has it
	if of == "aws" {
		var aws struct {
			Region string `json:"region"`
		}
		if json.Unmarshal(settings, &aws) == nil && aws.Region != "" {
			former["region"] = aws.Region
		}
	}
	whole := map[string]any{"kind": "Connection", "name": platform, "type": all[i].ConnectionType(), "usedBy": []string{platform}}
	if limits := replication["budget"]; limits != nil {
		whole["limits"] = limits
	}
	if redirectURL != "" {
		whole["redirectUrls"] = []string{redirectURL}
	}
	if deny := all[i].PrivilegedRoles; len(deny) > 0 {
		whole["roles"] = map[string]any{"deny": deny}
	}
	if len(all[i].Uses) == 0 {
		maps.Copy(whole, former)
		if auth := authOf(replication["credentials"]); auth != nil {
			whole["auth"] = auth
		}
		return []map[string]any{whole}, nil
	}
	return extractParts(platform, whole, former, replication), nil
}

// extractParts splits the settings of an AKS platform, the one type that is composed.
func extractParts(platform string, whole, former, replication map[string]any) []map[string]any {
	directory := map[string]any{"kind": "Connection", "name": platform + "-directory", "type": "azure", "usedBy": []string{}}
	cluster := map[string]any{"kind": "Connection", "name": platform + "-cluster", "type": "kubernetes", "usedBy": []string{}}
	for name, value := range former {
		switch name {
		case "server", "caFile", "caData":
			cluster[name] = value
		case "clusterCredentials":
			cluster["auth"] = authOf(value)
		case "clusterResourceId":
			whole[name] = value
		default:
			directory[name] = value
		}
	}
	if auth := authOf(replication["credentials"]); auth != nil {
		directory["auth"] = auth
	}
	whole["uses"] = map[string]string{"directory": platform + "-directory", "cluster": platform + "-cluster"}
	return []map[string]any{directory, cluster, whole}
}

// authOf returns what a connection's auth says for former credentials; nil for none.
func authOf(credentials any) any {
	former, ok := credentials.(map[string]any)
	if !ok {
		return nil
	}
	if file, ok := former["file"].(map[string]any); ok {
		return map[string]any{"file": file["path"]}
	}
	return former
}
