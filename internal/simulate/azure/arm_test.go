package azure_test

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/simulate"
	azure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

const v = "api-version=2022-04-01"

// roleAssignments is the path of a scope's assignments, or of one.
func roleAssignments(scope string, name ...string) string {
	return strings.Join(append([]string{scope + "/providers/Microsoft.Authorization/roleAssignments"}, name...), "/")
}

// grant is the body of a PUT.
func grant(principal, role string, more ...any) map[string]any {
	properties := map[string]any{"principalId": principal, "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + role}
	for i := 0; i+1 < len(more); i += 2 {
		name, _ := more[i].(string)
		properties[name] = more[i+1]
	}
	return map[string]any{"properties": properties}
}

func TestARMRefusals(t *testing.T) {
	w := newWorld(t, azure.Options{AssignmentLimit: 4})
	sub, full := w.AddSubscription(w.tenant, ""), w.AddSubscription(w.tenant, "")
	foreign := w.AddSubscription(w.AddTenant("", "fabrikam.example"), "")
	at := "/subscriptions/" + sub
	w.AddResourceGroup(sub, "rg")
	group, ada := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team"}), w.person("ada")
	reader, owner := w.RoleID("Reader"), w.RoleID("Owner")
	elsewhere := w.AddRole(full, "Elsewhere")
	there := w.PlantAssignment(azure.Assignment{Scope: at, Role: "Reader", Principal: group})
	for range 4 {
		w.PlantAssignment(azure.Assignment{Scope: "/subscriptions/" + full, Role: "Reader", Principal: guid()})
	}
	last := w.PlantAssignment(azure.Assignment{Scope: at, Role: "Owner", Principal: ada, Type: "User"})
	put := func(scope string) string { return roleAssignments(scope, guid()) + "?" + v }
	for _, c := range []struct {
		reason, method, path string
		body                 any
		status               int
		code, message        string
	}{
		{"no api-version", "GET", roleAssignments(at), nil, 400, "MissingApiVersionParameter", "is required for all requests"},
		{"an api-version nobody knows", "GET", roleAssignments(at) + "?api-version=1999-01-01", nil, 400, "InvalidApiVersionParameter", "1999-01-01"},
		{"a type there is not", "GET", at + "/providers/Microsoft.Compute/virtualMachines?" + v, nil, 404, "InvalidResourceType", ""},
		{"a method there is not", "PATCH", roleAssignments(at, there) + "?" + v, "{}", 405, "MethodNotAllowed", ""},
		{"a subscription that is not there", "GET", roleAssignments("/subscriptions/"+guid()) + "?" + v, nil, 404, "SubscriptionNotFound", "could not be found"},
		{"what is no subscription", "GET", roleAssignments("/subscriptions/mine") + "?" + v, nil, 400, "InvalidSubscriptionId", "mine"},
		{"a subscription of another tenant", "GET", roleAssignments("/subscriptions/"+foreign) + "?" + v, nil, 401, "InvalidAuthenticationTokenTenant", ""},
		{"a resource group that is not there", "GET", roleAssignments(at+"/resourceGroups/none") + "?" + v, nil, 404, "ResourceGroupNotFound", "none"},
		{"a cluster that is not there", "GET", roleAssignments(at+"/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/none") + "?" + v, nil, 404, "ResourceNotFound", "none"},
		{"a filter nobody knows", "GET", q(roleAssignments(at), "api-version", "2022-04-01", "$filter", "scope eq 'x'"), nil, 400, "UnsupportedQuery", ""},
		{"a page from nowhere", "GET", q(roleAssignments(at), "api-version", "2022-04-01", "$skipToken", "x"), nil, 400, "InvalidSkipToken", ""},
		{"an assignment that is not there", "GET", roleAssignments(at, guid()) + "?" + v, nil, 404, "RoleAssignmentNotFound", ""},
		{"an assignment at another scope", "GET", roleAssignments(at+"/resourceGroups/rg", there) + "?" + v, nil, 404, "RoleAssignmentNotFound", ""},
		{"a name that is no GUID", "PUT", roleAssignments(at, "mine") + "?" + v, grant(group, owner), 400, "InvalidRoleAssignmentId", "must be a GUID"},
		{"no principal", "PUT", put(at), grant("", owner), 400, "InvalidRequestContent", ""},
		{"no properties", "PUT", put(at), "{}", 400, "InvalidRequestContent", ""},
		{"no JSON", "PUT", put(at), "{", 400, "InvalidRequestContent", ""},
		{"a property nobody knows", "PUT", put(at), grant(group, owner, "colour", "red"), 400, "InvalidRequestContent", "colour"},
		{"a principal that is no id", "PUT", put(at), grant("team", owner), 400, "InvalidPrincipalId", ""},
		{"a principal that is not there", "PUT", put(at), grant(guid(), owner), 400, "PrincipalNotFound", "does not exist in the directory"},
		{"a group as a user", "PUT", put(at), grant(group, owner, "principalType", "User"), 400, "UnmatchedPrincipalType", "'Group'"},
		{"a role that is not there", "PUT", put(at), grant(group, guid()), 404, "RoleDefinitionDoesNotExist", ""},
		{"a role of another subscription", "PUT", put(at), grant(group, elsewhere), 404, "RoleDefinitionDoesNotExist", ""},
		{"what is no role", "PUT", put(at), grant(group, "Owner"), 400, "InvalidRoleDefinitionId", ""},
		{"a condition without a version", "PUT", put(at), grant(group, owner, "condition", "@x"), 400, "InvalidConditionVersion", "2.0"},
		{"a condition of an old version", "PUT", put(at), grant(group, owner, "condition", "@x", "conditionVersion", "1.0"), 400, "InvalidConditionVersion", "2.0"},
		{"a role it has", "PUT", put(at), grant(group, reader), 409, "RoleAssignmentExists", strings.ReplaceAll(there, "-", "")},
		{"a role it has, under a condition", "PUT", put(at), grant(group, reader, "condition", "@x", "conditionVersion", "2.0"), 409, "RoleAssignmentExists", ""},
		{"another principal under a name", "PUT", roleAssignments(at, there) + "?" + v, grant(ada, reader), 400, "RoleAssignmentUpdateNotPermitted", ""},
		{"another role under a name", "PUT", roleAssignments(at, there) + "?" + v, grant(group, owner), 400, "RoleAssignmentUpdateNotPermitted", ""},
		{"another scope under a name", "PUT", roleAssignments(at+"/resourceGroups/rg", there) + "?" + v, grant(group, reader), 400, "RoleAssignmentUpdateNotPermitted", ""},
		{"one too many", "PUT", put("/subscriptions/" + full), grant(group, reader), 400, "RoleAssignmentLimitExceeded", "limit"},
		{"the last Owner", "DELETE", roleAssignments(at, last) + "?" + v, nil, 412, "CannotDeleteLastRbacAdminAssignment", "last RBAC admin"},
		{"roles by what nobody knows", "GET", q(at+"/providers/Microsoft.Authorization/roleDefinitions", "api-version", "2022-04-01", "$filter", "colour eq 'red'"), nil, 400, "UnsupportedQuery", ""},
	} {
		t.Run(c.reason, func(t *testing.T) {
			before := w.Assignments(at)
			got := w.call(c.method, c.path, c.body)
			if got.status != c.status || got.code() != c.code || !strings.Contains(got.message(), c.message) {
				t.Errorf("got %d %s (%s), want %d %s (%s)", got.status, got.code(), got.message(), c.status, c.code, c.message)
			}
			if diff := cmp.Diff(before, w.Assignments(at)); diff != "" {
				t.Errorf("a refused call changed the assignments: %s", diff)
			}
		})
	}
}

func TestAssignmentsAtAboveAndBelow(t *testing.T) {
	w := newWorld(t, azure.Options{})
	sub := w.AddSubscription(w.tenant, "")
	at := "/subscriptions/" + sub
	rg, cluster := w.AddResourceGroup(sub, "RG"), w.AddCluster(sub, "RG", "aks")
	other := w.AddResourceGroup(sub, "RG2") // its name begins like the other's
	ada := w.person("ada")
	inner := w.PlantGroup(w.tenant, azure.Group{DisplayName: "inner", Members: []string{ada}})
	outer := w.PlantGroup(w.tenant, azure.Group{DisplayName: "outer", Members: []string{inner}})
	plant := func(scope, principal string) string {
		return w.PlantAssignment(azure.Assignment{Scope: scope, Role: "Reader", Principal: principal})
	}
	names := map[string]string{
		plant(at, outer): "sub", plant(rg, inner): "rg", plant(cluster, guid()): "cluster", plant(other, guid()): "other",
	}
	for _, c := range []struct {
		scope, filter string
		want          []string
	}{
		{at, "", []string{"cluster", "other", "rg", "sub"}},
		{at, "atScope()", []string{"sub"}},
		{rg, "", []string{"cluster", "rg", "sub"}},
		{strings.ToLower(rg), "", []string{"cluster", "rg", "sub"}},
		{rg, "atScope()", []string{"rg", "sub"}},
		{cluster, "atScope()", []string{"cluster", "rg", "sub"}},
		{other, "", []string{"other", "sub"}},
		{at, "principalId eq '" + inner + "'", []string{"rg"}},
		{at, "assignedTo('" + ada + "')", []string{"rg", "sub"}},
		{at, "atScope() and assignedTo('" + ada + "')", []string{"sub"}},
	} {
		t.Run(c.scope+" "+c.filter, func(t *testing.T) {
			path := q(roleAssignments(c.scope), "api-version", "2022-04-01")
			if c.filter != "" {
				path = q(roleAssignments(c.scope), "api-version", "2022-04-01", "$filter", c.filter)
			}
			var got []string
			for _, row := range w.must("GET", path, nil).rows() {
				name, _ := row["name"].(string)
				got = append(got, names[name])
			}
			if diff := cmp.Diff(c.want, slices.Sorted(slices.Values(got))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRolesForNewPrincipals(t *testing.T) {
	w := newWorld(t, azure.Options{Stale: time.Second})
	sub := w.AddSubscription(w.tenant, "")
	at := "/subscriptions/" + sub
	group := w.group("new")
	invited := w.must("POST", "/invitations", map[string]any{"invitedUserEmailAddress": "zoe@partner.example", "inviteRedirectUrl": "https://x"})
	user, _ := invited.body["invitedUser"].(map[string]any)
	guest, _ := user["id"].(string)
	role := w.RoleID("Reader")
	put := func(body map[string]any) reply { return w.call("PUT", roleAssignments(at, guid())+"?"+v, body) }
	for reason, body := range map[string]map[string]any{
		"a group": grant(group, role), "a group that says so": grant(group, role, "principalType", "Group"), "a user": grant(guest, role),
	} {
		if got := put(body); got.code() != "PrincipalNotFound" {
			t.Errorf("%s is answered with %d %s", reason, got.status, got.code())
		}
	}
	if got := put(grant(guest, role, "principalType", "User")); got.status != http.StatusCreated {
		t.Errorf("a user that says so is answered with %d %s", got.status, got.code())
	}
	w.clock.pass(time.Second)
	if got := put(grant(group, role)); got.status != http.StatusCreated {
		t.Errorf("a second later a group is answered with %d %s", got.status, got.code())
	}
}

func TestAssignmentsLag(t *testing.T) {
	w := newWorld(t, azure.Options{Stale: time.Second})
	at := "/subscriptions/" + w.AddSubscription(w.tenant, "")
	group := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team"})
	one := roleAssignments(at, guid()) + "?" + v
	list := func() int { return len(w.must("GET", roleAssignments(at)+"?"+v, nil).rows()) }
	w.must("PUT", one, grant(group, w.RoleID("Reader")))
	if n := list(); n != 0 {
		t.Errorf("what was given just now is listed: %d", n)
	}
	w.clock.pass(time.Second)
	if n := list(); n != 1 {
		t.Errorf("a second later %d are listed", n)
	}
	w.must("DELETE", one, nil)
	if n := list(); n != 1 {
		t.Errorf("what was taken just now is gone at once: %d", n)
	}
	w.clock.pass(time.Second)
	if n := list(); n != 0 {
		t.Errorf("a second later %d are listed", n)
	}
}

func TestTheShapeOfAnAssignment(t *testing.T) {
	w := newWorld(t, azure.Options{})
	sub := w.AddSubscription(w.tenant, "")
	scope := w.AddResourceGroup(sub, "RG")
	group, name := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team"}), guid()
	got := w.must("PUT", roleAssignments(strings.ToLower(scope), strings.ToUpper(name))+"?"+v, grant(group, w.RoleID("Reader"), "description", "ours"))
	properties, _ := got.body["properties"].(map[string]any)
	for _, at := range []string{"createdOn", "updatedOn"} {
		if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(properties[at])); err != nil {
			t.Error(err)
		}
		delete(properties, at)
	}
	want := map[string]any{
		"id": scope + "/providers/Microsoft.Authorization/roleAssignments/" + name, "name": name, "type": "Microsoft.Authorization/roleAssignments",
		"properties": map[string]any{
			"roleDefinitionId": "/subscriptions/" + sub + "/providers/Microsoft.Authorization/roleDefinitions/" + w.RoleID("Reader"),
			"principalId":      group, "principalType": "Group", "scope": scope, "condition": nil, "conditionVersion": nil, "description": "ours",
			"createdBy": w.app, "updatedBy": w.app, "delegatedManagedIdentityResourceId": nil,
		},
	}
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Error(diff)
	}
	if got.status != http.StatusCreated || got.header.Get("X-Ms-Ratelimit-Remaining-Subscription-Writes") == "" || got.header.Get("X-Ms-Request-Id") == "" {
		t.Errorf("got %d with the headers %v", got.status, slices.Sorted(maps.Keys(got.header)))
	}
}

func TestARMThrottles(t *testing.T) {
	w := newWorld(t, azure.Options{Throttle: true})
	sub := w.AddSubscription(w.tenant, "")
	token := w.token("https://management.azure.com/.default")
	var got reply
	given := 0
	for range 300 {
		r := mustRequest(t, w.url+"/subscriptions/"+sub+"?api-version=2022-12-01")
		r.Header.Set("Authorization", "Bearer "+token)
		if got = w.send(r); got.status != http.StatusOK {
			break
		}
		given++
	}
	if given != 250 || got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" ||
		got.header.Get("X-Ms-Ratelimit-Remaining-Subscription-Reads") != "0" {
		t.Errorf("after %d reads it answers %d %s", given, got.status, got.code())
	}
}

func TestResourceGraph(t *testing.T) {
	w := newWorld(t, azure.Options{})
	sub := w.AddSubscription(w.tenant, "")
	at := "/subscriptions/" + sub
	rg := w.AddResourceGroup(sub, "rg")
	one, two := guid(), guid()
	w.PlantAssignment(azure.Assignment{Scope: at, Role: "Reader", Principal: one, Description: "first"})
	w.PlantAssignment(azure.Assignment{Scope: rg, Role: "Owner", Principal: one, Condition: "@x"})
	w.PlantAssignment(azure.Assignment{Scope: rg, Role: "Reader", Principal: two, Type: "User"})
	const assignments = "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' "
	ask := func(query string, options map[string]any) reply {
		return w.call("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2021-06-01-preview", map[string]any{"query": query, "options": options})
	}
	for _, c := range []struct {
		query string
		rows  int
	}{
		{assignments, 3},
		{assignments + "| where properties.principalId == '" + one + "'", 2},
		{assignments + `| where tostring(properties["principalId"]) in~ ("` + strings.ToUpper(one) + `", '` + guid() + `')`, 2},
		{assignments + "| where tostring(properties.principalId) !in ('" + one + "')", 1},
		{assignments + "| where properties.scope startswith '" + strings.ToUpper(rg) + "' | project id", 2},
		{assignments + "| where isnotempty(properties.condition)", 1},
		{assignments + "| extend kind = tostring(properties.principalType) | where kind == 'User' or (kind == 'Group' and properties.description == 'first')", 2},
		{assignments + "| where resourceGroup =~ 'RG' and subscriptionId == '" + sub + "'", 2},
		{assignments + "| take 1", 1},
		{"AuthorizationResources | where type == 'microsoft.authorization/roledefinitions' | where properties.roleName =~ 'reader'", 1},
	} {
		t.Run(c.query, func(t *testing.T) {
			got := ask(c.query, nil)
			rows, _ := got.body["data"].([]any)
			if got.status != http.StatusOK || len(rows) != c.rows || got.body["totalRecords"] != float64(c.rows) || got.body["resultTruncated"] != "false" {
				t.Errorf("got %d, %d rows of %v, want %d", got.status, len(rows), got.body["totalRecords"], c.rows)
			}
		})
	}
	for _, c := range []struct {
		reason, query string
		options       map[string]any
		detail        string
	}{
		{"no query", "", nil, "DisallowedLogicalTableName"},
		{"another table", "resources | project id", nil, "DisallowedLogicalTableName"},
		{"an operator it does not have", assignments + "| summarize count()", nil, "InvalidQuery"},
		{"a function it does not have", assignments + "| where strlen(id) == 'x'", nil, "InvalidQuery"},
		{"a text that does not end", assignments + "| where id == 'x", nil, "InvalidQuery"},
		{"a condition that does not end", assignments + "| where (id == 'x'", nil, "InvalidQuery"},
		{"too many rows", assignments, map[string]any{"$top": 1001}, "InvalidTop"},
		{"a page from nowhere", assignments, map[string]any{"$skipToken": "x"}, "InvalidSkipToken"},
		{"an option nobody knows", assignments, map[string]any{"colour": "red"}, "InvalidRequestBody"},
		{"a form nobody knows", assignments, map[string]any{"resultFormat": "csv"}, "InvalidResultFormat"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got := ask(c.query, c.options)
			body, _ := got.body["error"].(map[string]any)
			details, _ := body["details"].([]any)
			if got.status != http.StatusBadRequest || got.code() != "BadRequest" || len(details) == 0 {
				t.Fatalf("got %d %s", got.status, got.code())
			}
			if first, _ := details[0].(map[string]any); first["code"] != c.detail {
				t.Errorf("the reason is %v, want %s", first["code"], c.detail)
			}
		})
	}
	t.Run("without an id there are no pages", func(t *testing.T) {
		got := ask(assignments+"| project name", map[string]any{"$top": 2})
		if got.body["resultTruncated"] != "true" || got.body["$skipToken"] != nil || got.body["count"] != 2. {
			t.Errorf("got %v", got.body)
		}
	})
	t.Run("the default is a hundred rows", func(t *testing.T) {
		for range 120 {
			w.PlantAssignment(azure.Assignment{Scope: rg, Role: "Contributor", Principal: guid()})
		}
		got := ask(assignments+"| project id", nil)
		if got.body["count"] != 100. || got.body["totalRecords"] != 123. || got.body["$skipToken"] == nil {
			t.Errorf("got %v of %v", got.body["count"], got.body["totalRecords"])
		}
	})
	t.Run("as a table", func(t *testing.T) {
		got := ask(assignments+"| project id, name", map[string]any{"resultFormat": "table", "$top": 1})
		data, _ := got.body["data"].(map[string]any)
		columns, _ := data["columns"].([]any)
		if rows, _ := data["rows"].([]any); len(columns) != 2 || len(rows) != 1 {
			t.Errorf("got %v", data)
		}
	})
	t.Run("a subscription nobody sees", func(t *testing.T) {
		got := w.call("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2021-06-01-preview",
			map[string]any{"query": assignments, "subscriptions": []string{guid()}})
		if got.status != http.StatusBadRequest || !strings.Contains(fmt.Sprint(got.body), "NoValidSubscriptionsInQueryRequest") {
			t.Errorf("got %d %s", got.status, got.code())
		}
	})
	t.Run("an app that may not read sees nothing", func(t *testing.T) {
		w.SetPermissions(w.tenant, clientID, azure.Permissions{NoRoleRead: true})
		defer w.SetPermissions(w.tenant, clientID, azure.Permissions{})
		if got := ask(assignments, nil); got.status != http.StatusOK || got.body["totalRecords"] != 0. {
			t.Errorf("got %d, %v rows", got.status, got.body["totalRecords"])
		}
	})
}

func TestPlaces(t *testing.T) {
	w := newWorld(t, azure.Options{})
	sub := w.AddSubscription(w.tenant, "")
	rg, cluster := w.AddResourceGroup(sub, "RG"), w.AddCluster(sub, "RG", "Aks")
	for path, id := range map[string]string{
		"/subscriptions/" + sub + "?api-version=2022-12-01":  "/subscriptions/" + sub,
		strings.ToLower(rg) + "?api-version=2021-04-01":      rg,
		strings.ToLower(cluster) + "?api-version=2025-01-01": cluster,
	} {
		if got := w.must("GET", path, nil); got.body["id"] != id {
			t.Errorf("%s is %v", path, got.body["id"])
		}
	}
	for path, n := range map[string]int{
		"/subscriptions?api-version=2022-12-01":                            1,
		"/subscriptions/" + sub + "/resourceGroups?api-version=2021-04-01": 1,
	} {
		if got := w.must("GET", path, nil).body["value"]; len(got.([]any)) != n {
			t.Errorf("%s has %v", path, got)
		}
	}
	w.PlantAssignment(azure.Assignment{Scope: cluster, Role: "Reader", Principal: guid()})
	w.RemoveScope(rg)
	if n := len(w.Assignments(cluster)); n != 0 {
		t.Errorf("%d assignments outlive their scope", n)
	}
	if got := w.call("GET", roleAssignments(cluster)+"?"+v, nil); got.code() != "ResourceGroupNotFound" {
		t.Errorf("a cluster that is gone is answered with %d %s", got.status, got.code())
	}
}

func TestTheStateSurvives(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	w := newWorld(t, azure.Options{File: file})
	sub := w.AddSubscription(w.tenant, "")
	ada := w.person("ada")
	group := w.group("team")
	w.must("POST", "/groups/"+group+"/members/$ref", w.link(ada))
	w.must("PUT", roleAssignments("/subscriptions/"+sub, guid())+"?"+v, grant(group, w.RoleID("Reader")))
	m := newMirror(w, "/groups/delta")
	m.round()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	later := newWorld(t, azure.Options{File: file})
	later.tenant = w.tenant
	later.AddApp(later.tenant, clientID, secret)
	if diff := cmp.Diff(w.Groups(w.tenant), later.Groups(w.tenant)); diff != "" {
		t.Error(diff)
	}
	if got := later.must("GET", "/groups/"+group+"/members", nil).ids(); len(got) != 1 || got[0] != ada {
		t.Errorf("its members are %v", got)
	}
	if n := len(later.Assignments("/subscriptions/" + sub)); n != 1 {
		t.Errorf("there are %d assignments", n)
	}
	m.w, m.link = later, strings.Replace(m.link, w.url, later.url, 1)
	if told := m.round(); len(told) != 0 {
		t.Errorf("a link from before tells %v", told)
	}
}

func TestABadStateFile(t *testing.T) {
	if _, err := azure.New(azure.Options{File: t.TempDir()}); err == nil {
		t.Error("a directory is taken for a file")
	}
}

func TestFaults(t *testing.T) {
	w := newWorld(t, azure.Options{})
	sub := w.AddSubscription(w.tenant, "")
	for operation, c := range map[string]struct{ path, code string }{
		"GET /users":           {"/users", "serviceNotAvailable"},
		"GET /roleAssignments": {roleAssignments("/subscriptions/"+sub) + "?" + v, "ServiceUnavailable"},
	} {
		w.Control().Fail(simulate.Rule{Operation: operation, Times: 1, Fault: simulate.Fault{Status: 503, RetryAfter: 3 * time.Second}})
		got := w.call("GET", c.path, nil)
		if got.status != http.StatusServiceUnavailable || got.code() != c.code || got.header.Get("Retry-After") != "3" {
			t.Errorf("%s: got %d %s", operation, got.status, got.code())
		}
		w.must("GET", c.path, nil)
	}
	w.Control().Fail(simulate.Rule{Operation: "POST /token", Times: 1, Fault: simulate.Fault{Status: 503}})
	if got := w.signIn(w.tenant, nil); got.status != http.StatusServiceUnavailable || got.body["error"] != "temporarily_unavailable" {
		t.Errorf("signing in: %d %v", got.status, got.body["error"])
	}
}
