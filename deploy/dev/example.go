package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/rollcall-iam/rollcall/deploy/dev/clouds"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
)

//go:embed example
var example embed.FS

const (
	documentsDir = "documents"
	sandboxFile  = "sandbox.json"
	// sandbox is the platform that lives in sandboxFile.
	sandbox = "sandbox.local"
	// cloudsTemplate needs the simulated clouds, aksTemplate also a cluster.
	cloudsTemplate = "9-clouds.yaml.tmpl"
	aksTemplate    = "9-aks.yaml.tmpl"
	// openstackTemplate is left out without Keystone.
	openstackTemplate = "7-openstack.yaml.tmpl"
	// contractor has an euid, and no account on any platform.
	contractor = "pvermeulen"
)

// values are what the templates of the example ask for.
type values struct {
	SandboxFile   string
	KeystoneURL   string
	KubernetesURL string
	OpenShiftURL  string
	// Kubeconfig and GoogleKey are files with credentials.
	Kubeconfig, GoogleKey string
	// Clouds is true where the simulated clouds run.
	Clouds bool
}

// Tenant is the Entra tenant of the simulated Azure.
func (values) Tenant() string { return clouds.Tenant }

// wanted reports whether a file of the example belongs to a platform that runs.
func (v values) wanted(file string) bool {
	switch file {
	case openstackTemplate:
		return v.KeystoneURL != ""
	case kubernetesTemplate:
		return v.KubernetesURL != ""
	case cloudsTemplate:
		return v.Clouds
	case aksTemplate:
		return v.Clouds && v.KubernetesURL != ""
	default:
		return true
	}
}

// places say where things are that documents name.
type places struct {
	// project returns the id of a project on the OpenStack platform.
	project func(name string) (string, error)
	// cloud returns the address of a simulated cloud, place the id of an account,
	// resource group, project or space there.
	cloud func(name string) (string, error)
	place func(cloud, name string) (string, error)
}

// render returns the example's files by name.
func render(v values, p places) (map[string][]byte, error) {
	entries, err := fs.ReadDir(example, "example")
	if err != nil {
		return nil, fmt.Errorf("example: %w", err)
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		name := entry.Name()
		if !v.wanted(name) {
			continue
		}
		body, err := fs.ReadFile(example, path.Join("example", name))
		if err != nil {
			return nil, fmt.Errorf("example: %w", err)
		}
		plain, isTemplate := strings.CutSuffix(name, ".tmpl")
		if isTemplate {
			if body, err = execute(name, body, v, p); err != nil {
				return nil, err
			}
		}
		files[plain] = body
	}
	return files, nil
}

func execute(name string, text []byte, v values, p places) ([]byte, error) {
	t, err := template.New(name).Funcs(template.FuncMap{
		"json": quoted, "project": p.project, "cloud": p.cloud, "place": p.place,
	}).Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("example: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("example: %w", err)
	}
	return b.Bytes(), nil
}

// quoted writes s so that YAML reads it back whatever is in it.
func quoted(s string) (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("example: %w", err)
	}
	return string(b), nil
}

// inhabitants are what somebody else puts on the platforms.
type inhabitants struct {
	// euids are those of everybody the platforms know.
	euids []string
	// tenants are the ids of the tenants on each platform.
	tenants map[string][]string
}

// census reads the documents for who and what has to be there.
func census(files map[string][]byte) (inhabitants, error) {
	found := inhabitants{tenants: map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		docs, _, err := document.Decode(bytes.NewReader(files[name]), name)
		if err != nil {
			return found, fmt.Errorf("example: %w", err)
		}
		for _, d := range docs {
			typed, err := document.Parse(d)
			if err != nil {
				return found, fmt.Errorf("example: %w", err)
			}
			found.add(typed)
		}
	}
	return found, nil
}

func (in *inhabitants) add(typed any) {
	switch v := typed.(type) {
	case document.User:
		if v.EUID != "" && v.EUID != contractor {
			in.euids = append(in.euids, v.EUID)
		}
	case document.Tenant:
		in.tenants[v.Platform] = append(in.tenants[v.Platform], v.LocalID)
	}
}

// seed makes what others would have made on the platforms, accounts and
// projects, and writes the documents that name them.
func (s *stack) seed(ctx context.Context) (string, error) {
	v := values{SandboxFile: s.home.path(sandboxFile), Clouds: true}
	var seeder *keystone.Seeder
	if s.keystone != nil {
		var err error
		if seeder, err = openKeystone(ctx, s.keystone); err != nil {
			return "", withLog(err, s.home.log("keystone"))
		}
		v.KeystoneURL = s.keystone.URL()
	}
	if s.kubernetes != nil {
		v.KubernetesURL, v.OpenShiftURL = s.kubernetes.URL(), s.openshiftURL
	}
	where := places{
		project: func(name string) (string, error) { return seeder.Project(ctx, name) },
		cloud:   func(name string) (string, error) { return s.clouds.URL(name), nil },
		place:   s.clouds.Place,
	}
	files, err := render(v, where)
	if err != nil {
		return "", err
	}
	there, err := census(files)
	if err != nil {
		return "", err
	}
	s.there = there
	if err := seedSandbox(v.SandboxFile, there); err != nil {
		return "", err
	}
	if s.kubernetes != nil {
		namespaces := slices.Concat(there.tenants["kubernetes.harbour"], there.tenants["openshift.harbour"], there.tenants["aks.harbour"])
		err := errors.Join(s.kubernetes.Namespaces(ctx, namespaces...), s.seedOpenShift(ctx, there.euids))
		if err != nil {
			return "", withLog(err, s.home.log("kubernetes"))
		}
	}
	if err := s.clouds.People(there.euids); err != nil {
		return "", err
	}
	if seeder != nil {
		if err := seedKeystone(ctx, seeder, there.euids); err != nil {
			return "", withLog(err, s.home.log("keystone"))
		}
	}
	if err := s.writeConnections(v, where); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d people", len(there.euids)), s.writeDocuments(files)
}

// writeDocuments puts the documents where people can read and copy them.
func (s *stack) writeDocuments(files map[string][]byte) error {
	if err := os.MkdirAll(s.home.path(documentsDir), 0o755); err != nil {
		return fmt.Errorf("example: %w", err)
	}
	for name, body := range files {
		if err := os.WriteFile(s.home.path(documentsDir, name), body, 0o644); err != nil {
			return fmt.Errorf("example: %w", err)
		}
	}
	return nil
}
