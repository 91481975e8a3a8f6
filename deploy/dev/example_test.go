package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/deploy/dev/clouds"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

func fakePlaces() places {
	named := func(name string) (string, error) { return "id-of-" + name, nil }
	return places{
		project: named,
		cloud:   func(name string) (string, error) { return "http://127.0.0.1:9461/" + name, nil },
		place: func(cloud, name string) (string, error) {
			return "/subscriptions/" + clouds.Subscription + "/resourceGroups/" + name +
				"/providers/Microsoft.ContainerService/managedClusters/" + cloud, nil
		},
	}
}

func fakeValues() values {
	return values{
		SandboxFile: "/tmp/a 'b' \"c\".json", KeystoneURL: "http://127.0.0.1:5000/v3", KubernetesURL: "https://127.0.0.1:6443", OpenShiftURL: "http://127.0.0.1:9471",
		Kubeconfig: "/tmp/kubeconfig", GoogleKey: "/tmp/key.json", Clouds: true,
	}
}

func renderAll(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := render(fakeValues(), fakePlaces())
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	return files
}

func set(t *testing.T, files map[string][]byte) *document.Set {
	t.Helper()
	var all []document.Document
	for name, body := range files {
		docs, dropped, err := document.Decode(bytes.NewReader(body), name)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if len(dropped) > 0 {
			t.Errorf("%s has fields that only a server writes: %v", name, dropped)
		}
		all = append(all, docs...)
	}
	s, err := document.NewSet(all)
	if err != nil {
		t.Fatalf("NewSet: %v", err)
	}
	return s
}

func TestExampleIsValid(t *testing.T) {
	if err := set(t, renderAll(t)).Validate(time.Now()); err != nil {
		t.Errorf("the example is refused: %v", err)
	}
}

// TestExampleIsConnected: the connections are well-formed, and each platform has one
// that lists it.
func TestExampleIsConnected(t *testing.T) {
	text, err := execute("connections", connectionsTemplate, fakeValues(), fakePlaces())
	if err != nil {
		t.Fatalf("execute: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "connections.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := connection.NewTypes(types.All())
	if err != nil {
		t.Fatalf("NewTypes: %v", err)
	}
	held, err := connection.Load(dir, all)
	if err != nil || held.Problems != nil {
		t.Fatalf("Load: %v, problems: %v", err, held.Problems)
	}
	for _, p := range set(t, renderAll(t)).Platforms() {
		of, _ := all.Type(p.Type)
		if _, err := held.For(p.Identifier(), p.ConnectionName(), of); err != nil {
			t.Errorf("platform %s: %v", p.Identifier(), err)
		}
	}
}

func TestExampleWithoutKeystone(t *testing.T) {
	p := fakePlaces()
	p.project = func(string) (string, error) {
		t.Error("a project of OpenStack is asked for")
		return "", nil
	}
	files, err := render(values{SandboxFile: "sandbox.json"}, p)
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	s := set(t, files)
	if err := s.Validate(time.Now()); err != nil {
		t.Errorf("the example is refused: %v", err)
	}
	for _, p := range s.Platforms() {
		if p.Type != "memory" {
			t.Errorf("platform %s of type %s is there without Keystone", p.Identifier(), p.Type)
		}
	}
}

func TestExampleIsAnOrganisation(t *testing.T) {
	s := set(t, renderAll(t))
	count := map[document.Kind]int{}
	for _, d := range s.Documents() {
		count[d.ID.Kind]++
	}
	for kind, atLeast := range map[document.Kind]int{
		document.KindWorkspace: 3, document.KindProject: 8, document.KindUser: 40, document.KindUserGroup: 3,
		document.KindProjectRole: 4, document.KindPlatform: 10, document.KindLandingZone: 3,
		document.KindUserBinding: 10, document.KindGroupBinding: 5, document.KindTenant: 10,
	} {
		if count[kind] < atLeast {
			t.Errorf("the example has %d %s, should have at least %d", count[kind], kind, atLeast)
		}
	}
}

// TestExampleTeaches: every remark that newcomers should meet is in it, each
// for somebody who has a role.
func TestExampleTeaches(t *testing.T) {
	var withoutEUID, unknown, unmapped bool
	s := set(t, renderAll(t))
	for _, id := range s.Tenants() {
		input, ok := s.Input(id, document.Drawn{Number: 1}, time.Time{})
		if !ok {
			t.Fatalf("no input for %s", id)
		}
		for _, user := range input.Users {
			withoutEUID = withoutEUID || user.EUID == ""
			unknown = unknown || user.EUID == contractor
		}
		for _, binding := range input.UserBindings {
			unmapped = unmapped || binding.Role == "cost-controller"
		}
	}
	if !withoutEUID || !unknown || !unmapped {
		t.Errorf("a person without euid: %v, one no platform knows: %v, an unmapped role: %v; want all", withoutEUID, unknown, unmapped)
	}
}

// TestTourLeadsSomewhere: what we tell people to try exists.
func TestTourLeadsSomewhere(t *testing.T) {
	for _, d := range set(t, renderAll(t)).Documents() {
		if d.ID == (document.ID{Kind: document.KindUserBinding, Name: leaver}) {
			return
		}
	}
	t.Errorf("the example has no binding %s", leaver)
}

func TestCensus(t *testing.T) {
	there, err := census(renderAll(t))
	if err != nil {
		t.Fatalf("census: %v", err)
	}
	if got, want := len(there.euids), 38; got != want {
		t.Errorf("%d people have accounts, want %d: all but one without euid and one contractor", got, want)
	}
	if got, want := len(there.tenants[sandbox]), 5; got != want {
		t.Errorf("%d tenants on the sandbox, want %d", got, want)
	}
}
