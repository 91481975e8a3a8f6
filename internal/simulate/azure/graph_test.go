package azure_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/simulate"
	azure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// q is a query with what has to be escaped escaped.
func q(path string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + values.Encode()
}

// either joins n conditions.
func either(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, " or ")
}

// anyOf is an "in" with n values.
func anyOf(n int, property string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf("'%d@x'", i)
	}
	return property + " in (" + strings.Join(parts, ",") + ")"
}

func TestGraphRefusals(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada, bob := w.person("ada"), w.person("bob")
	group := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team", Members: []string{ada}, UniqueName: "team"})
	unit := w.AddAdministrativeUnit(w.tenant, "cloud")
	gone := w.PlantGroup(w.tenant, azure.Group{DisplayName: "gone", UniqueName: "gone"})
	w.DeleteGroup(w.tenant, gone)
	with := func(name string, value any) map[string]any {
		body := fresh("new")
		if body[name] = value; value == nil {
			delete(body, name)
		}
		return body
	}
	many := make([]string, 21)
	for i := range many {
		many[i] = w.person(fmt.Sprint("p", i))
	}
	members, bad := "/groups/"+group+"/members", "Request_BadRequest"
	missing, unsupported := "Request_ResourceNotFound", "Request_UnsupportedQuery"
	for _, c := range []struct {
		reason, method, path string
		body                 any
		status               int
		code, message        string
	}{
		{"a user who is not there", "GET", "/users/" + guid(), nil, 404, missing, "does not exist"},
		{"a name nobody has", "GET", "/users/nobody@contoso.example", nil, 404, missing, ""},
		{"a group who is not there", "GET", "/groups/" + guid(), nil, 404, missing, ""},
		{"what is no id", "GET", "/groups/team", nil, 400, bad, "Invalid object identifier"},
		{"an unknown segment", "GET", "/teams", nil, 400, "BadRequest", "segment"},
		{"a method a path does not have", "PUT", "/groups/" + group, "{}", 405, bad, "not allowed"},
		{"removing a member without $ref", "DELETE", members + "/" + ada, nil, 400, "BadRequest", "segment"},
		{"a property nobody knows", "GET", q("/users", "$select", "id,foo"), nil, 400, "BadRequest", "Could not find a property named 'foo'"},
		{"a page too large", "GET", q("/users", "$top", "1000"), nil, 400, unsupported, "between 1 and 999"},
		{"a page of nothing", "GET", q("/users", "$top", "0"), nil, 400, unsupported, "between 1 and 999"},
		{"a page of no number", "GET", q("/users", "$top", "all"), nil, 400, "BadRequest", "non-negative"},
		{"$skip", "GET", q("/users", "$skip", "5"), nil, 400, bad, "$skip"},
		{"a token that is none", "GET", q("/users", "$skiptoken", "x"), nil, 400, bad, "token"},
		{"a filter nobody understands", "GET", q("/users", "$filter", "mail = 'x'"), nil, 400, "BadRequest", "Syntax error"},
		{"a filter that does not end", "GET", q("/users", "$filter", "mail eq 'x"), nil, 400, "BadRequest", "Syntax error"},
		{"a filter by what there is not", "GET", q("/users", "$filter", "foo eq 'x'"), nil, 400, "BadRequest", "Could not find a property"},
		{"a filter by what is not indexed", "GET", q("/users", "$filter", "businessPhones eq 'x'"), nil, 400, unsupported, "businessPhones"},
		{"16 conditions", "GET", q("/users", "$filter", either(16, "mail eq '%d@x'")), nil, 400, unsupported, "16. Max allowed: 15"},
		{"16 values", "GET", q("/users", "$filter", anyOf(16, "mail")), nil, 400, unsupported, "16. Max allowed: 15"},
		{"ne without the advanced header", "GET", q("/users", "$filter", "mail ne 'x'"), nil, 400, unsupported, ""},
		{"not without the advanced header", "GET", q("/users", "$filter", "not startsWith(mail,'x')"), nil, 400, unsupported, ""},
		{"endsWith without the advanced header", "GET", q("/users", "$filter", "endsWith(mail,'x')"), nil, 400, unsupported, ""},
		{"several values without any", "GET", q("/users", "$filter", "otherMails eq 'x'"), nil, 400, "BadRequest", "takes no such expression"},
		{"any of one value", "GET", q("/users", "$filter", "mail/any(m:m eq 'x')"), nil, 400, "BadRequest", "takes no such expression"},
		{"null without the advanced header", "GET", q("/users", "$filter", "mail eq null"), nil, 400, unsupported, ""},
		{"an empty list by what there is not", "GET", q("/directory/administrativeUnits/"+unit+"/members", "$select", "foo"), nil, 400, "BadRequest", "foo"},
		{"an empty list with what it cannot show", "GET", q("/groups", "$expand", "owners", "$filter", "displayName eq 'none'"), nil, 400, "BadRequest", "owners"},
		{"a description without the advanced header", "GET", q("/groups", "$filter", "startsWith(description,'x')"), nil, 400, unsupported, "description"},
		{"a filter on members", "GET", q(members, "$filter", "id eq 'x'"), nil, 400, unsupported, ""},
		{"$search without the advanced header", "GET", q("/users", "$search", `"mail:x"`), nil, 400, unsupported, "ConsistencyLevel"},
		{"$expand of users", "GET", q("/users", "$expand", "memberOf"), nil, 400, bad, "$expand"},
		{"$expand of owners", "GET", q("/groups", "$expand", "owners"), nil, 400, "BadRequest", "owners"},

		{"a group without a name", "POST", "/groups", with("displayName", nil), 400, bad, "displayName"},
		{"a group without a nickname", "POST", "/groups", with("mailNickname", nil), 400, bad, "mailNickname"},
		{"a group that does not say what it is", "POST", "/groups", with("securityEnabled", nil), 400, bad, "securityEnabled"},
		{"a group with mail", "POST", "/groups", with("mailEnabled", true), 400, bad, "mail-enabled groups"},
		{"a name too long", "POST", "/groups", with("displayName", strings.Repeat("ü", 257)), 400, bad, "displayName"},
		{"an empty name", "POST", "/groups", with("displayName", ""), 400, bad, "displayName"},
		{"a description too long", "POST", "/groups", with("description", strings.Repeat("x", 1025)), 400, bad, "description"},
		{"an empty description", "POST", "/groups", with("description", ""), 400, bad, "description"},
		{"a nickname with a blank", "POST", "/groups", with("mailNickname", "a b"), 400, bad, "mailNickname"},
		{"a nickname too long", "POST", "/groups", with("mailNickname", strings.Repeat("x", 65)), 400, bad, "mailNickname"},
		{"a property that groups do not have", "POST", "/groups", with("colour", "red"), 400, bad, "colour"},
		{"a Microsoft 365 group", "POST", "/groups", with("groupTypes", []string{"Unified"}), 400, bad, "security groups"},
		{"a key that is taken", "POST", "/groups", with("uniqueName", "team"), 400, bad, "uniqueName already exists"},
		{"the key of a deleted group", "POST", "/groups", with("uniqueName", "gone"), 400, bad, "uniqueName already exists"},
		{"members who are not there", "POST", "/groups", with("members@odata.bind", w.bind(guid())["members@odata.bind"]), 404, missing, ""},
		{"21 members at once", "POST", "/groups", with("members@odata.bind", w.bind(many...)["members@odata.bind"]), 400, bad, "20"},
		{"no JSON", "POST", "/groups", "{", 400, "BadRequest", "JSON"},
		{"another key", "PATCH", "/groups/" + group, map[string]any{"uniqueName": "other"}, 400, bad, "read-only"},
		{"an id of its own", "PATCH", "/groups/" + group, map[string]any{"id": "other"}, 400, bad, "read-only"},
		{"no such property", "PATCH", "/groups/" + group, map[string]any{"nickname": "other"}, 400, bad, "Invalid property"},
		{"another kind", "PATCH", "/groups/" + group, map[string]any{"mailEnabled": true}, 400, bad, "read-only"},
		{"changing what is gone", "PATCH", "/groups/" + gone, map[string]any{"displayName": "x"}, 404, missing, ""},
		{"no upsert by default", "PATCH", "/groups(uniqueName='none')", fresh("x"), 404, missing, ""},
		{"deleting what is gone", "DELETE", "/groups/" + gone, nil, 404, missing, ""},

		{"who is in", "POST", members + "/$ref", w.link(ada), 400, bad, "One or more added object references already exist for the following modified properties: 'members'."},
		{"who is not there", "POST", members + "/$ref", w.link(guid()), 404, missing, ""},
		{"a group that is gone", "POST", "/groups/" + gone + "/members/$ref", w.link(bob), 404, missing, ""},
		{"itself", "POST", members + "/$ref", w.link(group), 400, bad, "itself"},
		{"a user as a group", "POST", members + "/$ref", map[string]any{"@odata.id": w.url + "/v1.0/groups/" + bob}, 404, missing, ""},
		{"a link to nowhere", "POST", members + "/$ref", map[string]any{"@odata.id": "bob"}, 400, bad, "Invalid URL format"},
		{"a link elsewhere", "POST", members + "/$ref", map[string]any{"@odata.id": w.url + "/v1.0/devices/" + bob}, 400, bad, "Invalid URL format"},
		{"no link", "POST", members + "/$ref", map[string]any{"id": bob}, 400, bad, "Invalid URL format"},
		{"21 more", "PATCH", "/groups/" + group, w.bind(many...), 400, bad, "20"},
		{"some who are in", "PATCH", "/groups/" + group, w.bind(bob, ada), 400, bad, "already exist"},
		{"one twice", "PATCH", "/groups/" + group, w.bind(bob, bob), 400, bad, "already exist"},
		{"some who are not there", "PATCH", "/groups/" + group, w.bind(bob, guid()), 404, missing, ""},
		{"removing who is not in", "DELETE", members + "/" + bob + "/$ref", nil, 404, missing, ""},
		{"removing nobody", "DELETE", members + "/ada/$ref", nil, 400, bad, "Invalid object identifier"},

		{"a unit that is not there", "POST", "/directory/administrativeUnits/" + guid() + "/members/$ref", w.link(ada), 404, missing, ""},
		{"a member of a unit that is no group", "POST", "/directory/administrativeUnits/" + unit + "/members", fresh("x"), 400, bad, "#microsoft.graph.group"},
		{"an invitation to nobody", "POST", "/invitations", map[string]any{"inviteRedirectUrl": "https://x"}, 400, "BadRequest", "email address"},
		{"an invitation to nowhere", "POST", "/invitations", map[string]any{"invitedUserEmailAddress": "a@b.example"}, 400, "BadRequest", "inviteRedirectUrl"},
		{"an invitation of our own", "POST", "/invitations", map[string]any{
			"invitedUserEmailAddress": "ada@contoso.example", "inviteRedirectUrl": "https://x"}, 400, "BadRequest", "already exists"},
		{"purging what is not deleted", "DELETE", "/directory/deletedItems/" + group, nil, 404, missing, ""},

		{"a delta of what there is not", "GET", q("/groups/delta", "$select", "foo"), nil, 400, "BadRequest", "foo"},
		{"a delta by name", "GET", q("/groups/delta", "$filter", "displayName eq 'x'"), nil, 400, unsupported, ""},
		{"a delta from nowhere", "GET", q("/groups/delta", "$deltatoken", "x"), nil, 400, bad, "token"},

		{"a batch of nothing", "POST", "/$batch", map[string]any{"requests": []any{}}, 400, "BadRequest", "batch"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			before := w.Groups(w.tenant)
			got := w.call(c.method, c.path, c.body)
			if got.status != c.status || got.code() != c.code || !strings.Contains(got.message(), c.message) {
				t.Errorf("got %d %s (%s), want %d %s (%s)", got.status, got.code(), got.message(), c.status, c.code, c.message)
			}
			if diff := cmp.Diff(before, w.Groups(w.tenant)); diff != "" {
				t.Errorf("a refused call changed the groups: %s", diff)
			}
		})
	}
}

func TestWhatAnAppMayNotDo(t *testing.T) {
	w := newWorld(t, azure.Options{})
	sub, unit, group := w.AddSubscription(w.tenant, ""), w.AddAdministrativeUnit(w.tenant, "cloud"), w.PlantGroup(w.tenant, azure.Group{DisplayName: "team"})
	ada := w.person("ada")
	roles := "/subscriptions/" + sub + "/providers/Microsoft.Authorization/roleAssignments"
	put := map[string]any{"properties": map[string]any{"principalId": group, "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + w.RoleID("Reader")}}
	for _, c := range []struct {
		reason       string
		without      azure.Permissions
		method, path string
		body         any
		status       int
		code         string
	}{
		{"reading users", azure.Permissions{NoDirectoryRead: true}, "GET", "/users", nil, 403, "Authorization_RequestDenied"},
		{"reading members", azure.Permissions{NoDirectoryRead: true}, "GET", "/groups/" + group + "/members", nil, 403, "Authorization_RequestDenied"},
		{"making groups", azure.Permissions{NoGroupWrite: true}, "POST", "/groups", fresh("x"), 403, "Authorization_RequestDenied"},
		{"adding members", azure.Permissions{NoGroupWrite: true}, "POST", "/groups/" + group + "/members/$ref", w.link(ada), 403, "Authorization_RequestDenied"},
		{"inviting", azure.Permissions{NoInvite: true}, "POST", "/invitations", map[string]any{}, 403, "Authorization_RequestDenied"},
		{"using units", azure.Permissions{NoUnits: true}, "POST", "/directory/administrativeUnits/" + unit + "/members/$ref", w.link(group), 403, "Authorization_RequestDenied"},
		{"purging", azure.Permissions{NoPermanentPurge: true}, "DELETE", "/directory/deletedItems/" + group, nil, 403, "Authorization_RequestDenied"},
		{"reading roles", azure.Permissions{NoRoleRead: true}, "GET", roles + "?api-version=2022-04-01", nil, 403, "AuthorizationFailed"},
		{"giving roles", azure.Permissions{NoRoleWrite: true}, "PUT", roles + "/" + guid() + "?api-version=2022-04-01", put, 403, "AuthorizationFailed"},
		{"taking roles", azure.Permissions{NoRoleWrite: true}, "DELETE", roles + "/" + guid() + "?api-version=2022-04-01", nil, 403, "AuthorizationFailed"},
		{"a subscription it has no role on", azure.Permissions{NoSubscriptions: true}, "GET", roles + "?api-version=2022-04-01", nil, 404, "SubscriptionNotFound"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			w.SetPermissions(w.tenant, clientID, c.without)
			defer w.SetPermissions(w.tenant, clientID, azure.Permissions{})
			if got := w.call(c.method, c.path, c.body); got.status != c.status || got.code() != c.code {
				t.Errorf("got %d %s, want %d %s", got.status, got.code(), c.status, c.code)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada := w.AddUser(w.tenant, "Ada@contoso.example", "Ada.Lovelace@contoso.example", true)
	bob := w.AddUser(w.tenant, "bob@contoso.example", "", false)
	neil := w.AddUser(w.tenant, "o'neil@contoso.example", "o'neil@contoso.example", true)
	guest := w.AddGuestPending(w.tenant, "zoe@partner.example")
	w.SetAddresses(w.tenant, guest, []string{"zoe@old.example"}, []string{"SMTP:zoe@new.example"})
	advanced := []string{"ConsistencyLevel", "eventual"}
	for _, c := range []struct {
		filter string
		extra  []string
		want   []string
	}{
		{"mail eq 'ada.LOVELACE@contoso.example'", nil, []string{ada}},
		{"userPrincipalName eq 'ADA@CONTOSO.EXAMPLE'", nil, []string{ada}},
		{"mail eq 'o''neil@contoso.example'", nil, []string{neil}},
		{"mail in ('ada.lovelace@contoso.example', 'ZOE@partner.example')", nil, []string{ada, guest}},
		{"startsWith(userPrincipalName,'ada') or startswith(mail, 'zoe')", nil, []string{ada, guest}},
		{"accountEnabled eq false", nil, []string{bob}},
		{"accountEnabled eq true and userType eq 'Guest'", nil, []string{guest}},
		{"(userType eq 'Guest' or accountEnabled eq false) and mail eq 'zoe@partner.example'", nil, []string{guest}},
		{"externalUserState eq 'PendingAcceptance'", nil, []string{guest}},
		{"id in ('" + ada + "','" + bob + "')", nil, []string{ada, bob}},
		{"otherMails/any(m:m eq 'ZOE@old.example')", nil, []string{guest}},
		{"proxyAddresses/any(m:m eq 'smtp:zoe@new.example') or proxyAddresses/any(m:m eq 'smtp:x@new.example')", nil, []string{guest}},
		{either(15, "mail eq '%d@x'"), nil, nil},
		{anyOf(15, "mail"), nil, nil},
		{"endsWith(mail,'@partner.example')", advanced, []string{guest}},
		{"not (userType eq 'Guest') and accountEnabled ne false", advanced, []string{ada, neil}},
		{"mail eq null", advanced, []string{bob}},
	} {
		t.Run(c.filter, func(t *testing.T) {
			path := q("/users", "$filter", c.filter, "$select", "id")
			if c.extra != nil {
				path += "&$count=true"
			}
			got := w.must("GET", path, nil, c.extra...)
			want := slices.Sorted(slices.Values(c.want))
			if diff := cmp.Diff(want, slices.Sorted(slices.Values(got.ids()))); diff != "" {
				t.Error(diff)
			}
			if count, counted := got.body["@odata.count"]; counted != (c.extra != nil) || counted && count != float64(len(want)) {
				t.Errorf("the count is %v", count)
			}
		})
	}
}

func TestAUsersDefaults(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada := w.person("ada")
	got := w.must("GET", "/users/"+ada, nil)
	want := map[string]any{
		"@odata.context": w.url + "/v1.0/$metadata#users/$entity", "id": ada, "userPrincipalName": "ada@contoso.example",
		"mail": "ada@contoso.example", "displayName": "ada", "businessPhones": []any{}, "givenName": nil, "jobTitle": nil,
		"mobilePhone": nil, "officeLocation": nil, "preferredLanguage": nil, "surname": nil,
	}
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"request-id", "client-request-id", "OData-Version", "x-ms-resource-unit", "Content-Type"} {
		if got.header.Get(name) == "" {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestRefusalsNameTheRequest(t *testing.T) {
	w := newWorld(t, azure.Options{})
	mine := guid()
	got := w.call("GET", "/users/"+guid(), nil, "client-request-id", mine)
	inner, _ := got.body["error"].(map[string]any)["innerError"].(map[string]any)
	if inner["client-request-id"] != mine || inner["request-id"] != got.header.Get("Request-Id") || inner["date"] == "" {
		t.Errorf("got %v", inner)
	}
}

// TestServicePrincipalsInGroups: the list of members of v1.0 leaves them out, other reads
// show them.
func TestServicePrincipalsInGroups(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada := w.person("ada")
	group := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team", Members: []string{ada, w.app}})
	members, principals := "/groups/"+group+"/members", "/groups/"+group+"/members/microsoft.graph.servicePrincipal"
	header := []string{"ConsistencyLevel", "eventual"}
	for reason, c := range map[string]struct {
		path    string
		headers []string
		want    []string
	}{
		"the list":                     {members, nil, []string{ada}},
		"the list, without the header": {q(members, "$count", "true"), nil, []string{ada}},
		"an advanced query":            {q(members, "$count", "true"), header, []string{ada, w.app}},
		"a cast":                       {q(principals, "$count", "true"), header, []string{w.app}},
		"a cast to users":              {q(members+"/microsoft.graph.user", "$count", "true"), header, []string{ada}},
	} {
		got := w.must("GET", c.path, nil, c.headers...).ids()
		if diff := cmp.Diff(slices.Sorted(slices.Values(c.want)), slices.Sorted(slices.Values(got))); diff != "" {
			t.Errorf("%s: %s", reason, diff)
		}
	}
	if got := w.call("GET", principals, nil); got.status != 400 || got.code() != "Request_UnsupportedQuery" {
		t.Errorf("a cast without the header: %d %s, want 400 Request_UnsupportedQuery", got.status, got.code())
	}
	expanded := w.must("GET", q("/groups", "$filter", "id eq '"+group+"'", "$expand", "members($select=id)"), nil)
	if got := expanded.rows()[0]["members"].([]any); len(got) != 2 {
		t.Errorf("$expand shows %v, want both", got)
	}
}

func TestPagesOfMembers(t *testing.T) {
	w := newWorld(t, azure.Options{})
	var want []string
	for i := range 45 {
		want = append(want, w.person(fmt.Sprint("p", i)))
	}
	nested := w.PlantGroup(w.tenant, azure.Group{DisplayName: "nested"})
	want = append(want, nested)
	group := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team", Members: append(slices.Clone(want), w.app)})
	var got []string
	kinds := map[any]int{}
	path := q("/groups/"+group+"/members", "$top", "20", "$select", "id")
	for path != "" {
		page := w.must("GET", path, nil)
		got = append(got, page.ids()...)
		for _, row := range page.rows() {
			kinds[row["@odata.type"]]++
		}
		path, _ = page.body["@odata.nextLink"].(string)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[any]int{"#microsoft.graph.user": 45, "#microsoft.graph.group": 1}, kinds); diff != "" {
		t.Error(diff)
	}
	if n := w.Control().Calls()["GET /groups/{id}/members"]; n != 3 {
		t.Errorf("it took %d calls, want 3", n)
	}
	// A link of one list is none for another, and no link is good for ever.
	page := w.must("GET", q("/groups/"+group+"/members", "$top", "20"), nil)
	next, _ := page.body["@odata.nextLink"].(string)
	if got := w.call("GET", strings.Replace(next, group, nested, 1), nil); got.status != http.StatusBadRequest {
		t.Errorf("another list's link is answered with %d", got.status)
	}
	w.clock.pass(2 * time.Hour)
	if got := w.call("GET", next, nil); got.code() != "Directory_ExpiredPageToken" {
		t.Errorf("an old link is answered with %d %s", got.status, got.code())
	}
}

func TestExpandShowsTwentyMembers(t *testing.T) {
	w := newWorld(t, azure.Options{})
	var people []string
	for i := range 25 {
		people = append(people, w.person(fmt.Sprint("p", i)))
	}
	w.PlantGroup(w.tenant, azure.Group{DisplayName: "large", Members: people})
	w.PlantGroup(w.tenant, azure.Group{DisplayName: "small", Members: people[:2]})
	w.PlantGroup(w.tenant, azure.Group{DisplayName: "empty"})
	got := w.must("GET", q("/groups", "$expand", "members($select=id)", "$select", "id,displayName"), nil)
	sizes := map[any]int{}
	for _, row := range got.rows() {
		members, _ := row["members"].([]any)
		sizes[row["displayName"]] = len(members)
		for _, m := range members {
			member, _ := m.(map[string]any)
			if diff := cmp.Diff([]string{"@odata.type", "id"}, slices.Sorted(maps.Keys(member))); diff != "" {
				t.Error(diff)
			}
		}
	}
	if diff := cmp.Diff(map[any]int{"large": 20, "small": 2, "empty": 0}, sizes); diff != "" {
		t.Error(diff)
	}
	if got := w.call("GET", q("/groups", "$expand", "members", "$count", "true"), nil, "ConsistencyLevel", "eventual"); got.status != http.StatusBadRequest {
		t.Errorf("$expand in an advanced query is answered with %d", got.status)
	}
}

func TestAllOrNothing(t *testing.T) {
	w := newWorld(t, azure.Options{})
	var people []string
	for i := range 20 {
		people = append(people, w.person(fmt.Sprint("p", i)))
	}
	group := w.group("team")
	w.must("PATCH", "/groups/"+group, w.bind(people...))
	if g, _ := w.Group(w.tenant, group); len(g.Members) != 20 {
		t.Errorf("it has %d members, want 20", len(g.Members))
	}
}

func TestDeletedPeopleAreNoMembers(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada, bob := w.person("ada"), w.person("bob")
	group := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team", Members: []string{ada, bob}})
	w.DeleteUser(w.tenant, ada)
	if diff := cmp.Diff([]string{bob}, w.must("GET", "/groups/"+group+"/members", nil).ids()); diff != "" {
		t.Error(diff)
	}
	if got := w.call("GET", "/users/"+ada, nil); got.status != http.StatusNotFound {
		t.Errorf("who was deleted is answered with %d", got.status)
	}
	deleted := w.must("GET", "/directory/deletedItems/microsoft.graph.user", nil).ids()
	if diff := cmp.Diff([]string{ada}, deleted); diff != "" {
		t.Error(diff)
	}
	w.must("POST", "/directory/deletedItems/"+ada+"/restore", nil)
	if again := w.must("GET", "/users/ada@contoso.example", nil); again.body["id"] != ada {
		t.Error("somebody else came back")
	}
}

func TestAPurgedGroupGivesItsKeyBack(t *testing.T) {
	w := newWorld(t, azure.Options{})
	body := fresh("team")
	upsert := func() reply {
		return w.call("PATCH", "/groups(uniqueName='team')", body, "Prefer", "create-if-missing")
	}
	made := upsert()
	id, _ := made.body["id"].(string)
	w.must("DELETE", "/groups(uniqueName='team')", nil)
	if got := upsert(); got.status != http.StatusBadRequest || !strings.Contains(got.message(), "uniqueName already exists") {
		t.Errorf("the key of a deleted group is answered with %d %s", got.status, got.message())
	}
	if got := w.must("GET", "/directory/deletedItems/microsoft.graph.group", nil).ids(); !slices.Contains(got, id) {
		t.Errorf("the deleted groups are %v", got)
	}
	w.must("DELETE", "/directory/deletedItems/"+id, nil)
	if got := upsert(); got.status != http.StatusCreated {
		t.Errorf("after that it is answered with %d", got.status)
	}
}

func TestReadsLag(t *testing.T) {
	w := newWorld(t, azure.Options{Stale: time.Second})
	ada := w.person("ada")
	group := w.group("team")
	if got := w.call("GET", "/groups/"+group, nil); got.status != http.StatusNotFound {
		t.Errorf("a group made just now is answered with %d", got.status)
	}
	if got := w.must("GET", q("/groups", "$filter", "displayName eq 'team'"), nil).ids(); len(got) != 0 {
		t.Errorf("it is listed: %v", got)
	}
	w.must("POST", "/groups/"+group+"/members/$ref", w.link(ada)) // writes meet what is
	w.clock.pass(time.Second)
	if got := w.must("GET", "/groups/"+group+"/members", nil).ids(); len(got) != 1 {
		t.Errorf("a second later its members are %v", got)
	}
	w.must("DELETE", "/groups/"+group+"/members/"+ada+"/$ref", nil)
	if got := w.must("GET", "/groups/"+group+"/members", nil).ids(); len(got) != 1 {
		t.Errorf("who was removed just now is out at once: %v", got)
	}
	if got := w.call("DELETE", "/groups/"+group+"/members/"+ada+"/$ref", nil); got.status != http.StatusNotFound {
		t.Errorf("removing again is answered with %d", got.status)
	}
	w.must("DELETE", "/groups/"+group, nil)
	w.must("GET", "/groups/"+group, nil)
	w.clock.pass(time.Second)
	if got := w.call("GET", "/groups/"+group, nil); got.status != http.StatusNotFound {
		t.Errorf("a second after its end it is answered with %d", got.status)
	}
	// What tests and the demo do is there at once.
	w.AddMember(w.tenant, w.PlantGroup(w.tenant, azure.Group{DisplayName: "planted"}), ada)
	if got := w.must("GET", q("/groups", "$filter", "displayName eq 'planted'"), nil).ids(); len(got) != 1 {
		t.Errorf("a planted group is not there: %v", got)
	}
}

func TestLateWrites(t *testing.T) {
	w := newWorld(t, azure.Options{Stale: time.Second, LateWrites: true})
	ada, group := w.person("ada"), w.group("team")
	for what, body := range map[string]map[string]any{
		"POST /groups/" + group + "/members/$ref": w.link(ada),
		"PATCH /groups/" + group:                  {"members@odata.bind": []string{w.link(ada)["@odata.id"].(string)}},
	} {
		method, path, _ := strings.Cut(what, " ")
		if got := w.call(method, path, body); got.status != http.StatusBadRequest || !strings.Contains(got.message(), "source resource object") {
			t.Errorf("%s of a group made just now is answered with %d %s", method, got.status, got.message())
		}
	}
	if got := w.call("PATCH", "/groups/"+group, map[string]any{"displayName": "other"}); got.status != http.StatusNotFound {
		t.Errorf("renaming a group made just now is answered with %d", got.status)
	}
	w.clock.pass(time.Second)
	w.must("POST", "/groups/"+group+"/members/$ref", w.link(ada))
}

func TestBatches(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada := w.person("ada")
	step := func(id, method, path string, body any, after ...string) map[string]any {
		s := map[string]any{"id": id, "method": method, "url": path}
		if body != nil {
			s["body"], s["headers"] = body, map[string]string{"Content-Type": "application/json"}
		}
		if after != nil {
			s["dependsOn"] = after
		}
		return s
	}
	many := make([]any, 21)
	for i := range many {
		many[i] = step(strconv.Itoa(i), "GET", "/users/"+ada, nil)
	}
	naked := step("1", "POST", "/groups", fresh("x"))
	delete(naked, "headers")
	for _, c := range []struct {
		reason  string
		steps   []any
		message string
	}{
		{"21 requests", many, "maximum value of 20"},
		{"one id twice", []any{step("A", "GET", "/users", nil), step("a", "GET", "/users", nil)}, "unique"},
		{"no url", []any{step("1", "GET", "", nil)}, "url"},
		{"a write that does not say what it brings", []any{naked}, "Content-Type"},
		{"after what is not there", []any{step("1", "GET", "/users", nil, "9")}, "unknown"},
		{"after itself", []any{step("1", "GET", "/users", nil, "1")}, "cycle"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got := w.call("POST", "/$batch", map[string]any{"requests": c.steps})
			if got.status != http.StatusBadRequest || !strings.Contains(got.message(), c.message) {
				t.Errorf("got %d %s", got.status, got.message())
			}
		})
	}

	group := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team"})
	got := w.must("POST", "/$batch", map[string]any{"requests": []any{
		step("1", "POST", "/groups/"+group+"/members/$ref", w.link(ada)),
		step("2", "POST", "groups/"+group+"/members/$ref", w.link(ada), "1"),
		step("3", "GET", "/groups/"+group, nil, "2"),
		step("4", "GET", "/users?$filter=mail eq 'ada@contoso.example'&$select=id", nil),
		step("5", "GET", "/$batch", nil),
	}})
	answers, _ := got.body["responses"].([]any)
	statuses := map[any]any{}
	var order []any
	for _, a := range answers {
		one, _ := a.(map[string]any)
		statuses[one["id"]] = one["status"]
		order = append(order, one["id"])
	}
	want := map[any]any{"1": 204., "2": 400., "3": 424., "4": 200., "5": 400.}
	if diff := cmp.Diff(want, statuses); diff != "" {
		t.Error(diff)
	}
	if order[0] == "1" {
		t.Error("the answers come in the order of the requests: nobody may rely on that")
	}
	calls := w.Control().Calls()
	if calls["batch POST /groups/{id}/members/$ref"] != 2 || calls["batch GET /users"] != 1 || calls["batch GET /groups/{id}"] != 0 {
		t.Errorf("counted %v", calls)
	}
}

func TestFaultsBefallRequestsInBatches(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada := w.person("ada")
	w.Control().Fail(simulate.Rule{
		Operation: "batch GET /users/{id}", Times: 1, Fault: simulate.Fault{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second},
	})
	got := w.must("POST", "/$batch", map[string]any{"requests": []any{
		map[string]any{"id": "1", "method": "GET", "url": "/users/" + ada}, map[string]any{"id": "2", "method": "GET", "url": "/users/" + ada},
	}})
	answers, _ := got.body["responses"].([]any)
	var statuses []float64
	for _, a := range answers {
		one, _ := a.(map[string]any)
		status, _ := one["status"].(float64)
		statuses = append(statuses, status)
		headers, _ := one["headers"].(map[string]any)
		if status == http.StatusTooManyRequests && headers["Retry-After"] != "7" {
			t.Errorf("the headers are %v", headers)
		}
	}
	if diff := cmp.Diff([]float64{200, 429}, statuses); diff != "" {
		t.Error(diff)
	}
}

func TestInvitations(t *testing.T) {
	w := newWorld(t, azure.Options{})
	body := map[string]any{"invitedUserEmailAddress": "Zoe@partner.example", "inviteRedirectUrl": "https://portal.example", "invitedUserDisplayName": "Zoe"}
	first := w.must("POST", "/invitations", body)
	user, _ := first.body["invitedUser"].(map[string]any)
	id, _ := user["id"].(string)
	again := w.must("POST", "/invitations", body)
	if second, _ := again.body["invitedUser"].(map[string]any); second["id"] != id {
		t.Error("a second invitation makes a second guest")
	}
	got := w.must("GET", q("/users/zoe_partner.example%23EXT%23@contoso.example", "$select", "id,userType,externalUserState,accountEnabled,mail"), nil)
	if got.body["id"] != id || got.body["userType"] != "Guest" || got.body["externalUserState"] != azure.PendingAcceptance || got.body["accountEnabled"] != true {
		t.Errorf("the guest is %v", got.body)
	}
	w.Accept(w.tenant, id)
	if status := w.must("POST", "/invitations", body).body["status"]; status != "Completed" {
		t.Errorf("inviting somebody who accepted is %v", status)
	}
}

func TestThrottling(t *testing.T) {
	w := newWorld(t, azure.Options{Throttle: true})
	group := w.group("team")
	token := w.token("https://graph.microsoft.com/.default")
	var refused reply
	spent := 0
	for range 2000 { // 3,500 units for a small tenant, and a members read costs 3
		r := mustRequest(t, w.url+"/v1.0/groups/"+group+"/members")
		r.Header.Set("Authorization", "Bearer "+token)
		if refused = w.send(r); refused.status != http.StatusOK {
			break
		}
		if refused.header.Get("X-Ms-Resource-Unit") != "3" {
			t.Fatalf("a read of members costs %s", refused.header.Get("X-Ms-Resource-Unit"))
		}
		spent += 3
	}
	if refused.status != http.StatusTooManyRequests || refused.code() != "TooManyRequests" || refused.header.Get("Retry-After") != "1" {
		t.Errorf("got %d %s, retry after %q", refused.status, refused.code(), refused.header.Get("Retry-After"))
	}
	if spent < 3490 || spent > 3500 {
		t.Errorf("%d units were given", spent)
	}
	if scope := refused.header.Get("X-Ms-Throttle-Scope"); !strings.HasPrefix(scope, "Tenant_Application/ReadWrite/"+clientID) {
		t.Errorf("the scope is %q", scope)
	}
	w.clock.pass(10 * time.Second)
	w.must("GET", "/groups/"+group+"/members", nil)
	if got := w.must("GET", q("/groups/"+group+"/members", "$select", "id", "$top", "5"), nil).header.Get("X-Ms-Resource-Unit"); got != "1" {
		t.Errorf("a cheap read costs %s", got)
	}
}

func TestCompressedRequests(t *testing.T) {
	w := newWorld(t, azure.Options{})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := json.NewEncoder(z).Encode(fresh("packed")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if got := w.call("POST", "/groups", packed.String(), "Content-Encoding", "gzip"); got.status != http.StatusCreated {
		t.Errorf("got %d %s", got.status, got.message())
	}
}

func TestNoSecretIsShown(t *testing.T) {
	w := newWorld(t, azure.Options{})
	for _, path := range []string{"/servicePrincipals", "/servicePrincipals/" + w.app, "/organization"} {
		got := w.must("GET", path, nil)
		if raw := fmt.Sprint(got.body); strings.Contains(raw, secret) {
			t.Errorf("%s shows a secret", path)
		}
	}
}
