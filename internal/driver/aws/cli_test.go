package aws_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// cli is the vendor's own command line.
type cli struct {
	path, address string
}

// theCLI finds it, or skips the test. With CI=true its absence is a failure.
func theCLI(t *testing.T, w *world) cli {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the AWS command line (aws) is not installed")
		}
		t.Skip("the AWS command line (aws) is not installed")
	}
	return cli{path: path, address: w.address}
}

// run runs one command and decodes what it prints.
func (c cli) run(t *testing.T, into any, arguments ...string) {
	t.Helper()
	out, err := c.try(t, arguments...)
	if err != nil {
		t.Fatalf("aws %v: %v: %s", arguments, err, out)
	}
	if into != nil {
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("aws %v: %v: %s", arguments, err, out)
		}
	}
}

// row is the entry of a list, of whatever page, whose field has the value.
func (c cli) row(t *testing.T, list, field, value string, arguments ...string) map[string]any {
	t.Helper()
	var got map[string][]map[string]any
	c.run(t, &got, arguments...)
	i := slices.IndexFunc(got[list], func(row map[string]any) bool { return row[field] == value })
	if i < 0 {
		t.Fatalf("aws %v shows no %s %s: %v", arguments, field, value, got)
	}
	return got[list][i]
}

func (c cli) try(t *testing.T, arguments ...string) ([]byte, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.path, append(arguments, "--endpoint-url", c.address, "--output", "json")...)
	command.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey,
		"AWS_DEFAULT_REGION=eu-central-1", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_MAX_ATTEMPTS=1", "AWS_PAGER=")
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		return complaint.Bytes(), err
	}
	return out.Bytes(), nil
}

// TestTheVendorsCLI reads with it what the driver has written, and the driver
// reads what it has written.
func TestTheVendorsCLI(t *testing.T) {
	w := newWorld(t, simulated.Options{Page: 2})
	vendor := theCLI(t, w)
	d, scope := w.open(t), w.scope(t, "cli")
	ada := access.Member{Account: access.Account{Ref: w.user(t, "ada@example.com")}}
	group := access.Group{Name: "shop.prod-admin", Ref: must(t, d, scope, makeGroup("shop.prod-admin"))}
	must(t, d, scope, give(group))
	must(t, d, scope, plan.Step{ID: "fill", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: &plan.Members{
		Group: group.Name, GroupRef: group.Ref, Accounts: []access.Member{ada},
	}}})
	for i := range 3 { // more than a page of others
		w.cloud.Group(fmt.Sprintf("other-%d", i), "")
	}
	w.settle()
	t.Run("Groups", func(t *testing.T) {
		seen := vendor.row(t, "Groups", "GroupId", group.Ref, "identitystore", "list-groups", "--identity-store-id", w.cloud.StoreID())
		text, _ := seen["Description"].(string)
		if seen["DisplayName"] != group.Name || access.ParseMark(text) != scope.Mark {
			t.Errorf("the CLI shows %v", seen)
		}
	})
	t.Run("Members", func(t *testing.T) {
		seen := vendor.row(t, "GroupMemberships", "GroupId", group.Ref, "identitystore", "list-group-memberships",
			"--identity-store-id", w.cloud.StoreID(), "--group-id", group.Ref)
		if diff := cmp.Diff(map[string]any{"UserId": ada.Ref}, seen["MemberId"]); diff != "" {
			t.Errorf("the CLI shows another member: %s", diff)
		}
	})
	t.Run("Assignments", func(t *testing.T) {
		seen := vendor.row(t, "AccountAssignments", "PrincipalId", group.Ref, "sso-admin", "list-account-assignments",
			"--instance-arn", w.cloud.InstanceARN(), "--account-id", scope.ID, "--permission-set-arn", w.sets[lawRoles[0]])
		if seen["AccountId"] != scope.ID || seen["PrincipalType"] != "GROUP" {
			t.Errorf("the CLI shows %v", seen)
		}
	})
	t.Run("Identity", func(t *testing.T) {
		var got struct {
			Arn string `json:"Arn"`
		}
		vendor.run(t, &got, "sts", "get-caller-identity")
		if got.Arn == "" {
			t.Error("the CLI does not know who it is")
		}
	})
	t.Run("Accounts", func(t *testing.T) {
		if seen := vendor.row(t, "Accounts", "Id", scope.ID, "organizations", "list-accounts"); seen["Status"] != "ACTIVE" {
			t.Errorf("the CLI shows %v", seen)
		}
	})
	t.Run("Twin", func(t *testing.T) {
		out, err := vendor.try(t, "identitystore", "create-group", "--identity-store-id", w.cloud.StoreID(), "--display-name", group.Name)
		if err == nil || !bytes.Contains(out, []byte("ConflictException")) {
			t.Errorf("a second group of the name: %v, %s", err, out)
		}
	})
	t.Run("Writes", func(t *testing.T) {
		bob := w.user(t, "bob@example.com")
		vendor.run(t, nil, "identitystore", "create-group-membership", "--identity-store-id", w.cloud.StoreID(),
			"--group-id", group.Ref, "--member-id", "UserId="+bob)
		w.settle()
		scope.Groups = []access.Group{group}
		if seen := look(t, d, scope); len(seen.Groups) != 1 || len(seen.Groups[0].Members) != 2 {
			t.Errorf("the driver does not see whom the CLI added: %+v", seen)
		}
	})
}
