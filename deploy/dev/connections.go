package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/connection"
)

// connectionsTemplate is what an operator of the workers would write.
//
//go:embed connections.yaml.tmpl
var connectionsTemplate []byte

// connectionsDir is where the workers find it.
const connectionsDir = "connections"

// writeConnections lets workers reach the platforms that run.
func (s *stack) writeConnections(v values, p places) error {
	dir := s.home.path(connectionsDir)
	if err := os.MkdirAll(filepath.Join(dir, "secrets"), 0o700); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	for name, prefix := range map[string]string{
		"openstack": "ROLLCALL_OPENSTACK_", "aws": "ROLLCALL_AWS_", "azure": "ROLLCALL_AZURE_", "cloudfoundry": "ROLLCALL_CF_",
	} {
		if err := writeSecret(dir, name+".json", s.accounts.values(prefix)); err != nil {
			return err
		}
	}
	v.Kubeconfig, v.GoogleKey = s.accounts["ROLLCALL_CLUSTER_KUBECONFIG"], s.accounts["ROLLCALL_GCP_CREDENTIALS_FILE"]
	token := []byte(s.accounts["ROLLCALL_OPENSHIFT_TOKEN"])
	if err := os.WriteFile(filepath.Join(dir, "secrets", "openshift-token"), token, 0o600); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	text, err := execute("connections", connectionsTemplate, v, p)
	if err != nil {
		return err
	}
	// A worker that reads meanwhile sees the old ones or the new ones.
	file := filepath.Join(dir, "connections.yaml")
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	s.environ[connection.Variable] = dir
	return nil
}

// values returns the variables with a prefix, without it, in lower case.
func (e environ) values(prefix string) map[string]string {
	found := map[string]string{}
	for name, value := range e {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			found[strings.ToLower(short)] = value
		}
	}
	return found
}

func writeSecret(dir, name string, values map[string]string) error {
	text, err := json.Marshal(values)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "secrets", name), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	return nil
}
