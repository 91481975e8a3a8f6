package controltest

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Installation is an empty one, without workers.
type Installation struct {
	Service control.Service
	// Store is that of the service: tests write with it what only workers write.
	Store *store.Store
}

// Run runs the conformance tests, each on an installation of its own.
func Run(t *testing.T, open func(t *testing.T) Installation) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Installation)
	}{
		{"Selection", testSelection},
		{"Documents", testDocuments},
		{"Sources", testSources},
		{"Change", testChange},
		{"Explain", testExplain},
		{"Decide", testDecide},
		{"Connections", testConnections},
		{"CheckConnections", testCheck},
		{"Forget", testForget},
		{"FormerConnections", testFormerConnections},
		{"Calls", testCalls},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// organization has a project with one user, and a second project with none, on one platform.
const organization = `---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: marketing}, spec: {displayName: Marketing}}
---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: sales}, spec: {displayName: Sales}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: marketing}, spec: {displayName: Web}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: crm, ownedByWorkspace: sales}, spec: {displayName: CRM}}
---
{apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Project Admin, rank: 1}}
---
apiVersion: v2
kind: meshUser
metadata: {name: jane}
spec: {email: jane@example.com, firstName: Jane, lastName: Doe, euid: jane-doe}
---
apiVersion: v1
kind: meshPlatform
metadata: {name: sandbox}
spec:
  displayName: Sandbox
  locationRef: {name: local}
  config: {memory: {replication: {
    groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}",
    roleMappings: [{projectRoleRef: {name: admin}, groupAlias: admin, roles: [owner]}]}}}
---
{apiVersion: v1, kind: meshLandingZone, metadata: {name: zone}, spec: {displayName: Zone, platformRef: {name: sandbox.local}}}
---
apiVersion: v4
kind: meshTenant
metadata: {ownedByWorkspace: marketing, ownedByProject: web}
spec: {platformIdentifier: sandbox.local, landingZoneIdentifier: zone, platformTenantId: web-1}
---
apiVersion: v4
kind: meshTenant
metadata: {ownedByWorkspace: sales, ownedByProject: crm}
spec: {platformIdentifier: sandbox.local, landingZoneIdentifier: zone, platformTenantId: crm-1}
---
apiVersion: v3
kind: meshProjectUserBinding
metadata: {name: b-jane-web}
roleRef: {name: admin}
targetRef: {name: web, ownedByWorkspace: marketing}
subject: {name: jane}
`

// web and crm are the tenants of the organization.
func web() access.TenantID {
	return access.TenantID{Workspace: "marketing", Project: "web", Platform: "sandbox.local"}
}

func crm() access.TenantID {
	return access.TenantID{Workspace: "sales", Project: "crm", Platform: "sandbox.local"}
}

// documents reads documents.
func documents(t *testing.T, text string) []document.Document {
	t.Helper()
	read, _, err := document.Load([]string{"-"}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// apply stores documents.
func (i Installation) apply(t *testing.T, text string) {
	t.Helper()
	request := control.ApplyRequest{Documents: documents(t, text), ChangeOptions: control.ChangeOptions{By: ada()}}
	if _, err := i.Service.Apply(t.Context(), request, nil); err != nil {
		t.Fatal(err)
	}
}

// fails checks the code of an error, and the object or the field that it names.
func fails(t *testing.T, reason string, err error, code control.Code, object string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: there is no error, want %s of %q", reason, code, object)
		return
	}
	e := control.AsError(err)
	if e.Code != code || e.Name != object && e.Field != object {
		t.Errorf("%s: %s of %q and field %q (%v), want %s of %q", reason, e.Code, e.Name, e.Field, err, code, object)
	}
}
