package connection

import (
	"encoding/json"
	"errors"
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
	types := map[string]driver.Type{}
	for _, t := range all {
		types[t.Name()] = t
	}
	own, known := types[of]
	if !known {
		return nil, fmt.Errorf("connection: platform %s: there is no type %q", platform, of)
	}
	var f former
	if err := errors.Join(json.Unmarshal(settings, &f.fields), json.Unmarshal(settings, &f)); err != nil {
		return nil, fmt.Errorf("connection: platform %s: %w", platform, err)
	}
	whole, err := f.connection(platform, types[own.ConnectionType()], f.Replication.Credentials)
	if err != nil {
		return nil, err
	}
	whole["usedBy"] = []string{platform}
	if redirectURL != "" {
		whole["redirectUrls"] = []string{redirectURL}
	}
	if deny := own.PrivilegedRoles; len(deny) > 0 {
		whole["roles"] = map[string]any{"deny": deny}
	}
	accounts := []map[string]any{whole} // that make calls
	var extracted []map[string]any
	uses := map[string]string{}
	for _, part := range slices.Sorted(maps.Keys(own.Uses)) {
		// Each part has credentials of its own, or those of the platform.
		auth := f.Replication.Credentials
		if credentials, is := f.fields[part+"Credentials"]; is {
			auth = credentials
		}
		uses[part] = platform + "-" + part
		c, err := f.connection(uses[part], types[own.Uses[part]], auth)
		if err != nil {
			return nil, err
		}
		extracted = append(extracted, c)
	}
	if len(uses) > 0 {
		whole["uses"], accounts = uses, extracted
	}
	for _, c := range accounts {
		if f.Replication.Budget != nil {
			c["limits"] = f.Replication.Budget
		}
	}
	return append(extracted, whole), nil
}

// former is what a document said before connections.
type former struct {
	fields      map[string]any
	Replication struct {
		Credentials any `json:"credentials"`
		Budget      any `json:"budget"`
	} `json:"replication"`
}

// connection returns a connection with those of the fields that its type has.
func (f former) connection(name string, of driver.Type, credentials any) (map[string]any, error) {
	c := map[string]any{"kind": "Connection", "name": name, "type": of.Name(), "usedBy": []string{}}
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(of.Connection, &schema); err != nil {
		return nil, fmt.Errorf("connection: schema of %s: %w", of.Name(), err)
	}
	for field := range schema.Properties {
		if value, is := f.fields[field]; is {
			c[field] = value
		}
	}
	if auth := authOf(credentials); auth != nil && schema.Properties["auth"] != nil {
		c["auth"] = auth
	}
	return c, nil
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
