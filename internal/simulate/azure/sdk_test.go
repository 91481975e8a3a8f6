package azure_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"
	"github.com/google/go-cmp/cmp"
	abs "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	msgraphgocore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/directory"
	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/groupswithuniquename"
	"github.com/microsoftgraph/msgraph-sdk-go/invitations"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	azure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// The tests in this file drive the cloud by the vendor's own clients.

func TestSDKReadsUsers(t *testing.T) {
	w := newWorld(t, azure.Options{PageSize: 2})
	ada := w.AddUser(w.tenant, "Ada@contoso.example", "ada.lovelace@contoso.example", true)
	w.person("bob")
	w.person("cleo")
	off := w.AddUser(w.tenant, "off@contoso.example", "", false)
	guest := w.AddGuestPending(w.tenant, "guest@partner.example")
	api := users.NewUsersRequestBuilderInternal(w.base(), w.graph())

	get := func(key string) models.Userable {
		u, err := api.ByUserId(key).Get(t.Context(), &users.UserItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{
				Select: []string{"id", "userPrincipalName", "mail", "accountEnabled", "userType", "externalUserState"},
			},
		})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		return u
	}
	for _, key := range []string{ada, "ADA@contoso.example"} {
		u := get(key)
		if *u.GetId() != ada || *u.GetUserPrincipalName() != "Ada@contoso.example" || !*u.GetAccountEnabled() || *u.GetUserType() != "Member" {
			t.Errorf("%s is not Ada", key)
		}
	}
	if u := get(off); *u.GetAccountEnabled() || u.GetMail() != nil {
		t.Error("who is off is on, or has a mail")
	}
	u := get("guest_partner.example#EXT#@contoso.example")
	if *u.GetId() != guest || *u.GetUserType() != "Guest" || *u.GetExternalUserState() != azure.PendingAcceptance {
		t.Errorf("the guest is a %s who is %s", *u.GetUserType(), *u.GetExternalUserState())
	}
	w.Accept(w.tenant, guest)
	if u := get(guest); *u.GetExternalUserState() != azure.Accepted {
		t.Errorf("the guest who accepted is %s", *u.GetExternalUserState())
	}

	// Without $select there is no accountEnabled, whatever it is.
	plain, err := api.ByUserId(ada).Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if plain.GetAccountEnabled() != nil || plain.GetUserType() != nil || *plain.GetDisplayName() != "Ada" {
		t.Error("a user has properties that nobody asked for")
	}

	first, err := api.Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := msgraphgocore.NewPageIterator[models.Userable](first, w.graph(), models.CreateUserCollectionResponseFromDiscriminatorValue)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	if err := pages.Iterate(t.Context(), func(u models.Userable) bool { all = append(all, *u.GetId()); return true }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 5 {
		t.Errorf("five people in pages of two are %d", len(all))
	}
	if n := w.Control().Calls()["GET /users"]; n != 3 {
		t.Errorf("they took %d calls, want 3", n)
	}
}

func TestSDKErrors(t *testing.T) {
	w := newWorld(t, azure.Options{})
	api := users.NewUsersRequestBuilderInternal(w.base(), w.graph())
	_, err := api.ByUserId(guid()).Get(t.Context(), nil)
	if status, code := graphCode(t, err); status != http.StatusNotFound || code != "Request_ResourceNotFound" {
		t.Errorf("got %d %s", status, code)
	}
	_, err = groups.NewGroupsRequestBuilderInternal(w.base(), w.graph()).Post(t.Context(), models.NewGroup(), nil)
	if status, code := graphCode(t, err); status != http.StatusBadRequest || code != "Request_BadRequest" {
		t.Errorf("got %d %s", status, code)
	}
}

func TestSDKWritesGroups(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada, bob := w.person("ada"), w.person("bob")
	adapter := w.graph()
	api := groups.NewGroupsRequestBuilderInternal(w.base(), adapter)

	made, err := api.Post(t.Context(), newGroup("made by a test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	one := api.ByGroupId(*made.GetId())
	ref := models.NewReferenceCreate()
	ref.SetOdataId(new(w.url + "/v1.0/directoryObjects/" + ada))
	if err := one.Members().Ref().Post(t.Context(), ref, nil); err != nil {
		t.Fatal(err)
	}
	err = one.Members().Ref().Post(t.Context(), ref, nil)
	if status, _ := graphCode(t, err); status != http.StatusBadRequest || !strings.Contains(err.Error(), "already exist") {
		t.Errorf("a second time is %d: %v", status, err)
	}
	several := models.NewGroup()
	several.SetAdditionalData(map[string]any{"members@odata.bind": []string{w.url + "/v1.0/directoryObjects/" + bob}})
	several.SetDisplayName(new("team, renamed"))
	if _, err := one.Patch(t.Context(), several, nil); err != nil {
		t.Fatal(err)
	}
	members, err := one.Members().Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range members.GetValue() {
		u, ok := m.(models.Userable)
		if !ok {
			t.Fatalf("the SDK takes a member for a %T", m)
		}
		ids = append(ids, *u.GetId())
	}
	slices.Sort(ids)
	want := []string{ada, bob}
	slices.Sort(want)
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	if err := one.Members().ByDirectoryObjectId(ada).Ref().Delete(t.Context(), nil); err != nil {
		t.Error(err)
	}
	got, err := one.Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *got.GetDisplayName() != "team, renamed" || *got.GetDescription() != "made by a test" || got.GetUniqueName() != nil {
		t.Errorf("the group is %q: %q", *got.GetDisplayName(), *got.GetDescription())
	}
	if err := one.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, err = one.Get(t.Context(), nil)
	if status, _ := graphCode(t, err); status != http.StatusNotFound {
		t.Errorf("a deleted group is answered with %d", status)
	}
	back, err := directory.NewDeletedItemsRequestBuilderInternal(w.base(), adapter).ByDirectoryObjectId(*made.GetId()).Restore().Post(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *back.GetId() != *made.GetId() {
		t.Error("another group came back")
	}
}

func TestSDKUpsertsGroups(t *testing.T) {
	w := newWorld(t, azure.Options{})
	key := "it's/ours" // quotes and slashes survive the way
	api := groupswithuniquename.NewGroupsWithUniqueNameRequestBuilderInternal(w.base(), w.graph(), &key)
	prefer := abs.NewRequestHeaders()
	prefer.Add("Prefer", "create-if-missing")
	config := &groupswithuniquename.GroupsWithUniqueNameRequestBuilderPatchRequestConfiguration{Headers: prefer}

	_, err := api.Patch(t.Context(), newGroup(""), nil)
	if status, _ := graphCode(t, err); status != http.StatusNotFound {
		t.Errorf("without Prefer a missing group is answered with %d", status)
	}
	made, err := api.Patch(t.Context(), newGroup("first"), config)
	if err != nil {
		t.Fatal(err)
	}
	if made == nil || *made.GetUniqueName() != key {
		t.Fatal("a new group comes without its key")
	}
	again := models.NewGroup()
	again.SetDescription(new("second"))
	if answer, err := api.Patch(t.Context(), again, config); err != nil || answer != nil {
		t.Errorf("an existing group is answered with %v, %v", answer, err)
	}
	got, err := api.Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *got.GetId() != *made.GetId() || *got.GetDescription() != "second" {
		t.Errorf("the group says %q", *got.GetDescription())
	}
	if n := len(w.Groups(w.tenant)); n != 1 {
		t.Errorf("there are %d groups", n)
	}
}

func TestSDKBatch(t *testing.T) {
	abs.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory { return jsonserialization.NewJsonParseNodeFactory() })
	w := newWorld(t, azure.Options{})
	ada := w.person("ada")
	adapter := w.graph()
	api := users.NewUsersRequestBuilderInternal(w.base(), adapter)
	batch := msgraphgocore.NewBatchRequest(adapter)
	var ids []string
	for _, key := range []string{ada, guid()} {
		info, err := api.ByUserId(key).ToGetRequestInformation(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		step, err := batch.AddBatchRequestStep(*info)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *step.GetId())
	}
	got, err := batch.Send(t.Context(), adapter)
	if err != nil {
		t.Fatal(err)
	}
	u, err := msgraphgocore.GetBatchResponseById[models.Userable](got, ids[0], models.CreateUserFromDiscriminatorValue)
	if err != nil || *u.GetId() != ada {
		t.Errorf("got %v, %v", u, err)
	}
	if status := *got.GetResponseById(ids[1]).GetStatus(); status != http.StatusNotFound {
		t.Errorf("who is not there is answered with %d", status)
	}
	want := map[string]int{"POST /$batch": 1, "batch GET /users/{id}": 2, "POST /token": 1, "GET /openid-configuration": 1}
	if diff := cmp.Diff(want, w.Control().Calls()); diff != "" {
		t.Error(diff)
	}
}

func TestSDKDelta(t *testing.T) {
	w := newWorld(t, azure.Options{PageSize: 1})
	ada, bob := w.person("ada"), w.person("bob")
	w.PlantGroup(w.tenant, azure.Group{DisplayName: "one", Members: []string{ada, bob}})
	two := w.PlantGroup(w.tenant, azure.Group{DisplayName: "two"})
	api := groups.NewGroupsRequestBuilderInternal(w.base(), w.graph())
	round := func(link string) (members map[string]int, names []string, next string) {
		members = map[string]int{}
		at := api.Delta()
		if link != "" {
			at = at.WithUrl(link)
		}
		for {
			page, err := at.GetAsDeltaGetResponse(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range page.GetValue() {
				if g.GetDisplayName() != nil {
					names = append(names, *g.GetDisplayName())
				}
				told, _ := g.GetAdditionalData()["members@delta"].([]any)
				members[*g.GetId()] += len(told)
			}
			if page.GetOdataDeltaLink() != nil {
				return members, slices.Compact(slices.Sorted(slices.Values(names))), *page.GetOdataDeltaLink()
			}
			at = api.Delta().WithUrl(*page.GetOdataNextLink())
		}
	}
	_, names, link := round("")
	if diff := cmp.Diff([]string{"one", "two"}, names); diff != "" {
		t.Error(diff)
	}
	if _, names, link = round(link); len(names) != 0 {
		t.Errorf("nothing changed, and it tells %v", names)
	}
	w.AddMember(w.tenant, two, ada)
	members, names, _ := round(link)
	if diff := cmp.Diff([]string{"two"}, names); diff != "" {
		t.Error(diff)
	}
	if members[two] != 1 {
		t.Errorf("it tells %d members", members[two])
	}
}

func TestSDKInvites(t *testing.T) {
	w := newWorld(t, azure.Options{})
	body := models.NewInvitation()
	body.SetInvitedUserEmailAddress(new("zoe@partner.example"))
	body.SetInviteRedirectUrl(new("https://portal.example"))
	body.SetSendInvitationMessage(new(true))
	made, err := invitations.NewInvitationsRequestBuilderInternal(w.base(), w.graph()).Post(t.Context(), body, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *made.GetStatus() != azure.PendingAcceptance || *made.GetInvitedUser().GetId() == "" {
		t.Errorf("the invitation is %s", *made.GetStatus())
	}
}

func TestSDKUnits(t *testing.T) {
	w := newWorld(t, azure.Options{})
	unit, ada := w.AddAdministrativeUnit(w.tenant, "cloud"), w.person("ada")
	api := directory.NewAdministrativeUnitsRequestBuilderInternal(w.base(), w.graph()).ByAdministrativeUnitId(unit).Members()
	made, err := api.Post(t.Context(), newGroup(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	ref := models.NewReferenceCreate()
	ref.SetOdataId(new(w.url + "/v1.0/users/" + ada))
	if err := api.Ref().Post(t.Context(), ref, nil); err != nil {
		t.Fatal(err)
	}
	if err := api.ByDirectoryObjectId(ada).Ref().Delete(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{*made.GetId()}, w.UnitMembers(w.tenant, unit)); diff != "" {
		t.Error(diff)
	}
	listed, err := api.Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := listed.GetValue()[0].(models.Groupable); len(listed.GetValue()) != 1 || !ok {
		t.Errorf("the unit has %v", listed.GetValue())
	}
}

func TestSDKAssignsRoles(t *testing.T) {
	w := newWorld(t, azure.Options{PageSize: 2})
	sub := w.AddSubscription(w.tenant, "")
	scope := w.AddResourceGroup(sub, "rg")
	group := w.PlantGroup(w.tenant, azure.Group{DisplayName: "team"})
	api, err := armauthorization.NewRoleAssignmentsClient(sub, w.credential(), w.arm())
	if err != nil {
		t.Fatal(err)
	}
	role := "/subscriptions/" + sub + "/providers/Microsoft.Authorization/roleDefinitions/" + w.RoleID("Reader")
	kind := armauthorization.PrincipalTypeGroup
	name := guid()
	put := func(name string, p armauthorization.RoleAssignmentProperties) (armauthorization.RoleAssignment, error) {
		p.PrincipalID, p.PrincipalType = &group, &kind
		if p.RoleDefinitionID == nil {
			p.RoleDefinitionID = &role
		}
		got, err := api.Create(t.Context(), scope[1:], name, armauthorization.RoleAssignmentCreateParameters{Properties: &p}, nil)
		return got.RoleAssignment, err
	}
	made, err := put(name, armauthorization.RoleAssignmentProperties{Description: new("ours")})
	if err != nil {
		t.Fatal(err)
	}
	if *made.Name != name || *made.Properties.Scope != scope || *made.Properties.PrincipalType != kind || made.Properties.Condition != nil {
		t.Errorf("made %s at %s", *made.Name, *made.Properties.Scope)
	}
	limited, err := put(name, armauthorization.RoleAssignmentProperties{Condition: new("@Resource[x] StringEquals 'y'"), ConditionVersion: new("2.0")})
	if err != nil {
		t.Fatal(err)
	}
	if *limited.Properties.Condition == "" || *limited.Properties.ConditionVersion != "2.0" || !limited.Properties.CreatedOn.Equal(*made.Properties.CreatedOn) {
		t.Errorf("its condition is %q", *limited.Properties.Condition)
	}
	_, err = put(guid(), armauthorization.RoleAssignmentProperties{})
	if status, code := armCode(t, err); status != http.StatusConflict || code != "RoleAssignmentExists" {
		t.Errorf("a twin is %d %s", status, code)
	}
	owner := "/providers/Microsoft.Authorization/roleDefinitions/" + w.RoleID("Owner")
	_, err = put(name, armauthorization.RoleAssignmentProperties{RoleDefinitionID: &owner})
	if status, code := armCode(t, err); status != http.StatusBadRequest || code != "RoleAssignmentUpdateNotPermitted" {
		t.Errorf("another role under its name is %d %s", status, code)
	}

	for range 4 {
		w.PlantAssignment(azure.Assignment{Scope: scope, Role: "Contributor", Principal: guid(), Type: "User"})
	}
	all := collect(t, api.NewListForScopePager(scope[1:], nil), func(p armauthorization.RoleAssignmentsClientListForScopeResponse) []*armauthorization.RoleAssignment {
		return p.Value
	})
	if len(all) != 5 {
		t.Errorf("five assignments in pages of two are %d", len(all))
	}
	filter := url.QueryEscape("principalId eq '" + group + "'") // the SDK does not
	mine := collect(t, api.NewListForScopePager(scope[1:], &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: &filter}),
		func(p armauthorization.RoleAssignmentsClientListForScopeResponse) []*armauthorization.RoleAssignment {
			return p.Value
		})
	if len(mine) != 1 || *mine[0].Name != name {
		t.Errorf("the group has %d", len(mine))
	}
	for _, want := range []int{http.StatusOK, http.StatusNoContent} {
		var raw *http.Response
		if _, err := api.Delete(policy.WithCaptureResponse(t.Context(), &raw), scope[1:], name, nil); err != nil {
			t.Fatal(err)
		}
		if raw.StatusCode != want {
			t.Errorf("deleting is answered with %d, want %d", raw.StatusCode, want)
		}
	}
}

// collect reads all pages of a list.
func collect[P, R any](t *testing.T, pager *runtime.Pager[P], rows func(P) []R) []R {
	t.Helper()
	var all []R
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows(page)...)
	}
	return all
}

func TestSDKFindsRoles(t *testing.T) {
	w := newWorld(t, azure.Options{})
	sub := w.AddSubscription(w.tenant, "")
	custom := w.AddRole(sub, "Janitor's mate", "*/read")
	api, err := armauthorization.NewRoleDefinitionsClient(w.credential(), w.arm())
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{
		"Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
		"Azure Kubernetes Service Cluster User Role": "4abbcc35-e782-43d8-92c5-2d3f1bd2253f", "Janitor's mate": custom,
	} {
		filter := fmt.Sprintf("roleName eq '%s'", strings.ReplaceAll(name, "'", "''"))
		found := collect(t, api.NewListPager("subscriptions/"+sub, &armauthorization.RoleDefinitionsClientListOptions{Filter: &filter}),
			func(p armauthorization.RoleDefinitionsClientListResponse) []*armauthorization.RoleDefinition {
				return p.Value
			})
		if len(found) != 1 || *found[0].Name != id || !strings.EqualFold(*found[0].Properties.RoleName, name) {
			t.Errorf("%s is found %d times", name, len(found))
		}
	}
	_, err = api.GetByID(t.Context(), "subscriptions/"+sub+"/providers/Microsoft.Authorization/roleDefinitions/"+guid(), nil)
	if status, code := armCode(t, err); status != http.StatusNotFound || code != "RoleDefinitionDoesNotExist" {
		t.Errorf("an unknown one is %d %s", status, code)
	}
}

func TestSDKQueriesResourceGraph(t *testing.T) {
	w := newWorld(t, azure.Options{})
	one, two := w.AddSubscription(w.tenant, ""), w.AddSubscription(w.tenant, "")
	group := guid()
	for i, sub := range []string{one, one, two} {
		scope := w.AddResourceGroup(sub, fmt.Sprint("rg", i))
		w.PlantAssignment(azure.Assignment{Scope: scope, Role: "Reader", Principal: group, Condition: map[int]string{1: "@x"}[i]})
	}
	api, err := armresourcegraph.NewClient(w.credential(), w.arm())
	if err != nil {
		t.Fatal(err)
	}
	query := "authorizationresources | where type =~ 'microsoft.authorization/roleassignments'" +
		" | where tolower(tostring(properties.principalId)) in~ ('" + group + "')" +
		" | project id, name, scope = tostring(properties.scope), role = tostring(properties['roleDefinitionId']), condition = tostring(properties.condition)" +
		" | order by id asc"
	ask := func(token *string, subs ...*string) armresourcegraph.QueryResponse {
		got, err := api.Resources(t.Context(), armresourcegraph.QueryRequest{
			Query: &query, Subscriptions: subs, Options: &armresourcegraph.QueryRequestOptions{Top: new(int32(2)), SkipToken: token},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.QueryResponse
	}
	first := ask(nil)
	if *first.Count != 2 || *first.TotalRecords != 3 || first.SkipToken == nil || *first.ResultTruncated != armresourcegraph.ResultTruncatedFalse {
		t.Fatalf("the first page has %d of %d", *first.Count, *first.TotalRecords)
	}
	second := ask(first.SkipToken)
	if *second.Count != 1 || second.SkipToken != nil {
		t.Errorf("the second page has %d", *second.Count)
	}
	rows, _ := second.Data.([]any)
	row, _ := rows[0].(map[string]any)
	role, _ := row["role"].(string)
	if !strings.HasSuffix(role, w.RoleID("Reader")) || row["id"] == "" {
		t.Errorf("a row is %v", row)
	}
	if got := ask(nil, &two); *got.TotalRecords != 1 {
		t.Errorf("the other subscription has %d", *got.TotalRecords)
	}
	bad := "authorizationresources | summarize count()"
	_, err = api.Resources(t.Context(), armresourcegraph.QueryRequest{Query: &bad}, nil)
	if status, code := armCode(t, err); status != http.StatusBadRequest || code != "BadRequest" {
		t.Errorf("what it does not understand is %d %s", status, code)
	}
}
