package gcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// cli is the vendor's own client, pointed at a simulated Google.
type cli struct {
	t       testing.TB
	program string
	environ []string
}

// newCLI skips the test where gcloud is not installed.
func newCLI(t testing.TB, w *world) *cli {
	t.Helper()
	program, err := exec.LookPath("gcloud")
	if err != nil {
		t.Skip("gcloud is not installed: install google-cloud-cli to see what it reads of Rollcall's work")
	}
	home := t.TempDir()
	token := filepath.Join(home, "token")
	if err := os.WriteFile(token, []byte(w.server.Token(google.Account{Email: robot, GroupsAdmin: true, PolicyAdmin: true})), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "CLOUDSDK_CONFIG=" + filepath.Join(home, "gcloud"),
		"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + token, "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_CHECK_GCE_METADATA=false",
		"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true",
		"CLOUDSDK_CORE_PROJECT=laws-cli", "NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost",
	}
	for _, api := range []string{"CLOUDRESOURCEMANAGER", "CLOUDIDENTITY"} {
		environ = append(environ, "CLOUDSDK_API_ENDPOINT_OVERRIDES_"+api+"="+w.proxy.URL()+"/")
	}
	return &cli{t: t, program: program, environ: environ}
}

// read runs gcloud and decodes what it prints.
func (c *cli) read(into any, arguments ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.program, append(arguments, "--format=json")...)
	command.Env = c.environ
	var complaints bytes.Buffer
	command.Stderr = &complaints
	text, err := command.Output()
	if err != nil {
		c.t.Fatalf("gcloud %s: %v\n%s", strings.Join(arguments, " "), err, complaints.String())
	}
	if err := json.Unmarshal(text, into); err != nil {
		c.t.Fatalf("gcloud %s: %v in %s", strings.Join(arguments, " "), err, text)
	}
}

// TestGcloudReadsIt has Google's own client read what the driver wrote.
func TestGcloudReadsIt(t *testing.T) {
	w := newWorld(t, calm())
	client := newCLI(t, w)
	tenant := w.tenant(t, "cli")
	people := w.people("ada", "bob")
	tenant.sync(tenant.want(people...))

	var policy struct {
		Bindings []struct {
			Role    string   `json:"role"`
			Members []string `json:"members"`
		} `json:"bindings"`
	}
	client.read(&policy, "projects", "get-iam-policy", tenant.scope.ID)
	var viewers []string
	for _, b := range policy.Bindings {
		if b.Role == "roles/viewer" {
			viewers = b.Members
		}
	}
	if diff := cmp.Diff([]string{"group:" + email(tenant.group)}, viewers); diff != "" {
		t.Errorf("gcloud sees other viewers: %s", diff)
	}
	var memberships []struct {
		Key struct {
			ID string `json:"id"`
		} `json:"preferredMemberKey"`
	}
	client.read(&memberships, "identity", "groups", "memberships", "list", "--group-email="+email(tenant.group))
	var members []string
	for _, m := range memberships {
		members = append(members, m.Key.ID)
	}
	slices.Sort(members)
	if diff := cmp.Diff([]string{"ada@" + domain, "bob@" + domain}, members); diff != "" {
		t.Errorf("gcloud sees other members: %s", diff)
	}
}

// TestGcloudWritesBesideIt lets an administrator do by hand what Rollcall undoes,
// and what it leaves alone.
func TestGcloudWritesBesideIt(t *testing.T) {
	w := newWorld(t, calm())
	client := newCLI(t, w)
	tenant := w.tenant(t, "cli")
	people := w.people("ada", "bob")
	tenant.sync(tenant.want(people[0]))

	var ignored any
	client.read(&ignored, "identity", "groups", "memberships", "add", "--group-email="+email(tenant.group), "--member-email=bob@"+domain)
	client.read(&ignored, "projects", "add-iam-policy-binding", tenant.scope.ID,
		"--member=group:"+email(tenant.group), "--role=roles/browser", "--condition=None")
	client.read(&ignored, "projects", "add-iam-policy-binding", tenant.scope.ID,
		"--member=group:"+email(tenant.group), "--role=roles/logging.admin", "--condition=title=soon,expression=true")
	tenant.has(people...)
	time.Sleep(calm().Stale)
	tenant.sync(tenant.want(people[0]))
	tenant.has(people[0])
	if policy := fmt.Sprint(tenant.policy()); !strings.Contains(policy, "roles/browser") || !strings.Contains(policy, "title:soon") {
		t.Errorf("a role that gcloud gave is gone: %v", policy)
	}
	var described struct {
		Description string `json:"description"`
	}
	client.read(&described, "identity", "groups", "describe", email(tenant.group))
	if !strings.Contains(described.Description, tenant.scope.Mark.Text()) {
		t.Errorf("gcloud sees the description %q, without the mark", described.Description)
	}
}
