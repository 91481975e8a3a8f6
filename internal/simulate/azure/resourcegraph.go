package azure

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The sizes of Resource Graph.
// Source: "Work with large data sets": 100 rows unless asked for more, 1,000 at most.
const (
	graphRows = 100
	graphMost = 1000
	graphSubs = 1000
)

// graphQuery is the body of a Resource Graph request.
type graphQuery struct {
	Query            string   `json:"query"`
	Subscriptions    []string `json:"subscriptions"`
	ManagementGroups []string `json:"managementGroups"`
	Facets           []any    `json:"facets"`
	Options          struct {
		Top                      *int   `json:"$top"`
		Skip                     *int   `json:"$skip"`
		SkipToken                string `json:"$skipToken"`
		ResultFormat             string `json:"resultFormat"`
		AllowPartialScopes       *bool  `json:"allowPartialScopes"`
		AuthorizationScopeFilter string `json:"authorizationScopeFilter"`
	} `json:"options"`
}

// skipMark is where the next page begins, as $skipToken holds it: in the same
// query only.
type skipMark struct {
	From  int    `json:"f"`
	Query string `json:"q"`
}

// badQuery is how Resource Graph refuses: the reason is in the details.
func (c *armCall) badQuery(code, message string) error {
	details := []any{map[string]any{"code": code, "message": message}}
	if code == "ParserFailure" {
		details = []any{
			map[string]any{"code": "InvalidQuery", "message": "Query is invalid. Please refer to the documentation for the " +
				"Azure Resource Graph service and fix the error before retrying."},
			map[string]any{"code": code, "message": message},
		}
	}
	return &armError{status: http.StatusBadRequest, code: "BadRequest", details: details,
		message: "Please provide below info when asking for support: timestamp = " + c.now.Format(time.RFC3339Nano) +
			", correlationId = " + c.header.Get("X-Ms-Correlation-Request-Id") + "."}
}

// resources answers a Resource Graph query about role assignments and definitions.
func (c *armCall) resources() (answer, error) {
	var asked graphQuery
	decoder := json.NewDecoder(bytes.NewReader(c.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		return answer{}, c.badQuery("InvalidRequestBody", "The request body is invalid.")
	}
	if len(asked.Facets) > 0 || len(asked.ManagementGroups) > 0 {
		return answer{}, c.badQuery("InvalidRequestBody", "The simulated Resource Graph has no facets and no management groups.")
	}
	parsed, err := parseKQL(asked.Query)
	if err != nil {
		return answer{}, c.badQuery("ParserFailure", err.Error())
	}
	if parsed.table != "authorizationresources" {
		return answer{}, c.badQuery("DisallowedLogicalTableName", "Table "+parsed.table+" is invalid, unsupported or disallowed.")
	}
	subs, err := c.eligible(asked.Subscriptions)
	if err != nil {
		return answer{}, err
	}
	rows := c.authorizationResources(subs)
	for _, step := range parsed.steps {
		rows = step(rows)
	}
	if parsed.limit > 0 && len(rows) > parsed.limit {
		rows = rows[:parsed.limit]
	}
	return c.graphPage(asked, parsed, rows)
}

// eligible are the subscriptions to look at: those asked for that the caller sees.
func (c *armCall) eligible(asked []string) ([]string, error) {
	if len(asked) > graphSubs {
		return nil, c.badQuery("TooManySubscriptions", "The number of subscriptions in the request exceeds the limit.")
	}
	var subs []string
	for id, sub := range c.server.state.Subscriptions {
		wanted := len(asked) == 0 || slices.ContainsFunc(asked, func(a string) bool { return strings.EqualFold(a, id) })
		if wanted && sub.Tenant == c.dir.ID && !c.app.Permissions.NoSubscriptions {
			subs = append(subs, id)
		}
	}
	for _, id := range asked {
		if uuid.Validate(id) != nil {
			return nil, c.badQuery("InvalidSubscriptionId", "The subscription identifier is not a GUID.")
		}
	}
	if len(subs) == 0 {
		return nil, c.badQuery("NoValidSubscriptionsInQueryRequest",
			"There must be at least one subscription that is eligible to contain resources. Given: '"+strings.Join(asked, ",")+"'.")
	}
	return subs, nil
}

// authorizationResources is the table of that name. An app that may not read
// assignments gets no rows, and no error.
func (c *armCall) authorizationResources(subs []string) []map[string]any {
	rows := []map[string]any{}
	if c.app.Permissions.NoRoleRead {
		return rows
	}
	in := set(subs)
	for _, a := range c.server.state.Assignments.AllAt(c.seen) {
		place, _ := parseScope(a.Scope)
		if !in[place.sub] {
			continue
		}
		id := "/providers/Microsoft.Authorization/RoleDefinitions/" + a.Role
		if _, custom := c.server.state.Roles[a.Role]; custom {
			id = "/subscriptions/" + place.sub + id
		}
		shape := a.shape()
		properties, _ := shape["properties"].(map[string]any)
		properties["roleDefinitionId"] = id
		delete(properties, "delegatedManagedIdentityResourceId")
		rows = append(rows, graphRow(shape["id"], a.Name, "microsoft.authorization/roleassignments", place, c.dir.ID, properties))
	}
	for _, r := range c.server.roles() {
		shape := r.shape("")
		if len(r.Subs) > 0 {
			shape = r.shape(r.Subs[0])
		}
		properties, _ := shape["properties"].(map[string]any)
		rows = append(rows, graphRow(shape["id"], r.ID, "microsoft.authorization/roledefinitions", scope{}, c.dir.ID, properties))
	}
	return rows
}

// graphRow is a row with the columns that all tables have.
func graphRow(id any, name, kind string, place scope, tenant string, properties map[string]any) map[string]any {
	return map[string]any{
		"id": id, "name": name, "type": kind, "tenantId": tenant, "kind": "", "location": "global", "resourceGroup": place.group,
		"subscriptionId": place.sub, "managedBy": "", "sku": nil, "plan": nil, "properties": properties, "tags": nil, "identity": nil,
		"zones": nil, "extendedLocation": nil, "apiVersion": "",
	}
}

// window is which rows the caller asks for.
func (c *armCall) window(asked graphQuery, signature string) (from, size int, err error) {
	size = graphRows
	if top := asked.Options.Top; top != nil {
		if size = *top; size < 1 || size > graphMost {
			return 0, 0, c.badQuery("InvalidTop", "The value of $top must be between 1 and 1000.")
		}
	}
	size = c.server.pageOf(size)
	if skip := asked.Options.Skip; skip != nil {
		from = max(0, *skip)
	}
	raw := asked.Options.SkipToken
	if raw == "" {
		return from, size, nil
	}
	var m skipMark
	body, err := base64.RawURLEncoding.DecodeString(raw)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil || m.Query != signature || m.From < 0 {
		return 0, 0, c.badQuery("InvalidSkipToken", "The skip token is invalid.")
	}
	return m.From, size, nil
}

// graphPage cuts a page out of the rows. Without an id column there is no paging:
// the rest is lost, and resultTruncated says so.
func (c *armCall) graphPage(asked graphQuery, parsed query, rows []map[string]any) (answer, error) {
	signature := asked.Query + "\n" + strings.Join(asked.Subscriptions, ",")
	from, size, err := c.window(asked, signature)
	if err != nil {
		return answer{}, err
	}
	total := len(rows)
	page := rows[min(from, total):min(from+size, total)]
	body := map[string]any{
		"totalRecords": total, "count": len(page), "facets": []any{}, "resultTruncated": "false", "data": page,
	}
	paged := parsed.columns == nil || slices.Contains(parsed.columns, "id")
	switch rest := from+len(page) < total; {
	case rest && paged:
		token, err := json.Marshal(skipMark{From: from + len(page), Query: signature})
		if err != nil {
			return answer{}, err
		}
		body["$skipToken"] = base64.RawURLEncoding.EncodeToString(token)
	case rest:
		body["resultTruncated"] = "true"
	}
	switch strings.ToLower(asked.Options.ResultFormat) {
	case "", "objectarray":
	case "table":
		body["data"] = table(parsed.columns, page)
	default:
		return answer{}, c.badQuery("InvalidResultFormat", "The result format is invalid.")
	}
	return answer{http.StatusOK, body}, nil
}

// table is a page with the names of its columns apart.
func table(columns []string, page []map[string]any) map[string]any {
	if columns == nil && len(page) > 0 {
		columns = slices.Sorted(maps.Keys(page[0]))
	}
	heads, rows := []any{}, [][]any{}
	for _, name := range columns {
		kind := "string"
		if name == "properties" {
			kind = "object"
		}
		heads = append(heads, map[string]any{"name": name, "type": kind})
	}
	for _, row := range page {
		cells := make([]any, len(columns))
		for i, name := range columns {
			cells[i] = row[name]
		}
		rows = append(rows, cells)
	}
	return map[string]any{"columns": heads, "rows": rows}
}
