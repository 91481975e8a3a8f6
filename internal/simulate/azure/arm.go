package azure

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// armCall is one request to the Resource Manager.
type armCall struct {
	server *Server
	r      *http.Request
	header http.Header
	dir    *directory
	app    *application
	now    time.Time
	seen   time.Time
	query  url.Values
	// scope and name are what the path says: before and after the operation's type.
	scope, name string
	body        []byte
}

// armError is a refusal of the Resource Manager.
type armError struct {
	status  int
	code    string
	message string
	details []any
}

func (e *armError) Error() string { return e.code + ": " + e.message }

func refuseARM(status int, code, format string, args ...any) error {
	return &armError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// armRoute is one operation of the Resource Manager.
type armRoute struct {
	method, operation string
	path              *regexp.Regexp // first group the scope, second the name
	versions          []string
	serve             func(*armCall) (answer, error)
}

var (
	pathAssignments = regexp.MustCompile(`(?i)^(/.*)/providers/Microsoft\.Authorization/roleAssignments/?()$`)
	pathAssignment  = regexp.MustCompile(`(?i)^(/.*)/providers/Microsoft\.Authorization/roleAssignments/([^/]+)$`)
	pathRoles       = regexp.MustCompile(`(?i)^(|/.*)/providers/Microsoft\.Authorization/roleDefinitions/?()$`)
	pathRole        = regexp.MustCompile(`(?i)^(|/.*)/providers/Microsoft\.Authorization/roleDefinitions/([^/]+)$`)
	pathGraph       = regexp.MustCompile(`(?i)^()/providers/Microsoft\.ResourceGraph/resources/?()$`)
	pathSubs        = regexp.MustCompile(`(?i)^()/subscriptions/?()$`)
	pathSub         = regexp.MustCompile(`(?i)^(/subscriptions/([^/]+))/?$`)
	pathGroups      = regexp.MustCompile(`(?i)^(/subscriptions/[^/]+)/resourceGroups/?()$`)
	pathGroup       = regexp.MustCompile(`(?i)^(/subscriptions/[^/]+/resourceGroups/([^/]+))/?$`)
	pathCluster     = regexp.MustCompile(
		`(?i)^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ContainerService/managedClusters/([^/]+))/?$`)
)

// armRoutes are all operations there are, with the api-versions that know them.
func armRoutes() []armRoute {
	rbac := []string{"2022-04-01", "2020-10-01-preview", "2020-08-01-preview", "2020-04-01-preview", "2018-09-01-preview", "2015-07-01"}
	graph := []string{"2021-03-01", "2021-06-01-preview", "2022-10-01", "2024-04-01"}
	resources := []string{"2022-12-01", "2022-09-01", "2021-04-01", "2021-01-01", "2020-01-01"}
	return []armRoute{
		{http.MethodGet, "GET /roleAssignments", pathAssignments, rbac, (*armCall).listAssignments},
		{http.MethodGet, "GET /roleAssignments/{name}", pathAssignment, rbac, (*armCall).getAssignment},
		{http.MethodPut, "PUT /roleAssignments/{name}", pathAssignment, rbac, (*armCall).putAssignment},
		{http.MethodDelete, "DELETE /roleAssignments/{name}", pathAssignment, rbac, (*armCall).deleteAssignment},
		{http.MethodGet, "GET /roleDefinitions", pathRoles, rbac, (*armCall).listRoles},
		{http.MethodGet, "GET /roleDefinitions/{id}", pathRole, rbac, (*armCall).getRole},
		{http.MethodPost, "POST /resources", pathGraph, graph, (*armCall).resources},
		{http.MethodGet, "GET /subscriptions", pathSubs, resources, (*armCall).listSubscriptions},
		{http.MethodGet, "GET /subscriptions/{id}", pathSub, resources, (*armCall).getSubscription},
		{http.MethodGet, "GET /resourceGroups", pathGroups, resources, (*armCall).listResourceGroups},
		{http.MethodGet, "GET /resourceGroups/{name}", pathGroup, resources, (*armCall).getResourceGroup},
		{http.MethodGet, "GET /managedClusters/{name}", pathCluster, nil, (*armCall).getCluster},
	}
}

// arm serves one request to the Resource Manager.
func (s *Server) arm(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Ms-Correlation-Request-Id", cmp.Or(r.Header.Get("X-Ms-Correlation-Request-Id"), uuid.NewString()))
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	refuse := func(w http.ResponseWriter, f simulate.Fault) {
		refuseARMCall(w, refuseARM(f.Status, cmp.Or(f.Code, usualARMCode(f.Status)), "%s", f.Words(http.StatusText(f.Status))))
	}
	known := false
	for _, t := range armRoutes() {
		m := t.path.FindStringSubmatch(r.URL.Path)
		if m == nil {
			continue
		}
		if known = true; t.method != r.Method {
			continue
		}
		s.control.Serve(w, r, t.operation, refuse, func(w http.ResponseWriter, r *http.Request) {
			c := &armCall{server: s, r: r, header: w.Header(), scope: m[1], name: m[2]}
			got, err := c.run(t)
			switch {
			case err != nil:
				refuseARMCall(w, err)
			case got.body == nil:
				w.WriteHeader(got.status)
			default:
				simulate.JSON(w, got.status, got.body)
			}
		})
		return
	}
	if known {
		refuseARMCall(w, refuseARM(http.StatusMethodNotAllowed, "MethodNotAllowed",
			"The requested resource does not support http method '%s'.", r.Method))
		return
	}
	refuseARMCall(w, refuseARM(http.StatusNotFound, "InvalidResourceType",
		"The resource type could not be found in the namespace of the request."))
}

// refuseARMCall answers with an error as the Resource Manager words them.
func refuseARMCall(w http.ResponseWriter, err error) {
	var refused *armError
	if !errors.As(err, &refused) {
		refused = &armError{status: http.StatusInternalServerError, code: "InternalServerError", message: err.Error()}
	}
	body := map[string]any{"code": refused.code, "message": refused.message}
	if len(refused.details) > 0 {
		body["details"] = refused.details
	}
	w.Header().Set("X-Ms-Failure-Cause", "gateway")
	simulate.JSON(w, refused.status, map[string]any{"error": body})
}

// usualARMCode is the code for a status, for faults that name none.
func usualARMCode(status int) string {
	codes := map[int]string{
		http.StatusUnauthorized: "AuthenticationFailed", http.StatusForbidden: "AuthorizationFailed",
		http.StatusNotFound: "ResourceNotFound", http.StatusConflict: "Conflict",
		http.StatusTooManyRequests: "TooManyRequests", http.StatusServiceUnavailable: "ServiceUnavailable",
	}
	return cmp.Or(codes[status], "InternalServerError")
}

// run checks what every operation checks, in the gateway's order, and does it.
func (c *armCall) run(t armRoute) (answer, error) {
	if err := c.parse(t); err != nil {
		return answer{}, err
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now, c.seen = s.now(), s.seen()
	if err := c.signedIn(); err != nil {
		return answer{}, err
	}
	if err := c.version(t); err != nil {
		return answer{}, err
	}
	if err := c.meter(t); err != nil {
		return answer{}, err
	}
	got, err := t.serve(c)
	if err == nil && (t.method == http.MethodPut || t.method == http.MethodDelete) {
		s.changed()
	}
	return got, err
}

func (c *armCall) parse(t armRoute) error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return refuseARM(http.StatusBadRequest, "InvalidRequestUri", "The request URI is invalid.")
	}
	c.query = query
	if t.method == http.MethodGet || t.method == http.MethodDelete {
		return nil
	}
	reader := io.Reader(http.MaxBytesReader(nil, c.r.Body, 4<<20))
	if strings.EqualFold(c.r.Header.Get("Content-Encoding"), "gzip") {
		if reader, err = gzip.NewReader(reader); err != nil {
			return badContent("The request content could not be unpacked.")
		}
	}
	if c.body, err = io.ReadAll(reader); err != nil || !json.Valid(c.body) {
		return badContent("The request content was invalid and could not be deserialized.")
	}
	if kind, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";"); !strings.EqualFold(kind, "application/json") {
		return refuseARM(http.StatusUnsupportedMediaType, "UnsupportedMediaType",
			"The content media type '%s' is not supported. Only 'application/json' is supported.", kind)
	}
	return nil
}

func badContent(format string, args ...any) error {
	return refuseARM(http.StatusBadRequest, "InvalidRequestContent", format, args...)
}

// version checks the api-version, which every request has.
func (c *armCall) version(t armRoute) error {
	asked := c.query.Get("api-version")
	if asked == "" {
		return refuseARM(http.StatusBadRequest, "MissingApiVersionParameter",
			"The api-version query parameter (?api-version=) is required for all requests.")
	}
	if t.versions != nil && !slices.Contains(t.versions, asked) {
		return refuseARM(http.StatusBadRequest, "InvalidApiVersionParameter",
			"The api-version '%s' is invalid. The supported versions are '%s'.", asked, strings.Join(t.versions, ","))
	}
	return nil
}

// signedIn finds out who calls.
func (c *armCall) signedIn() error {
	var err error
	c.dir, c.app, err = c.server.caller(c.r, forARM)
	if err == nil {
		return nil
	}
	c.header.Set("WWW-Authenticate", `Bearer authorization_uri="`+base(c.r)+`/common", error="invalid_token"`)
	unauthorized := func(code, message string) error { return refuseARM(http.StatusUnauthorized, code, "%s", message) }
	switch {
	case errors.Is(err, errNoToken):
		return unauthorized("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	case errors.Is(err, errTokenExpired):
		return unauthorized("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
	case errors.Is(err, errWrongAudience):
		return unauthorized("InvalidAuthenticationToken", "The access token has been obtained for wrong audience or resource. "+
			"It should exactly match with one of the allowed audiences '"+forARM+"','https://management.core.windows.net/'.")
	default:
		return unauthorized("InvalidAuthenticationToken", "The access token is invalid.")
	}
}

// bucket is one of the Resource Manager's token buckets.
type bucket struct {
	header           string
	burst, perSecond float64
}

// meter takes the call from the app's bucket at its subscription.
// Source: "Understand how Azure Resource Manager throttles requests", and for
// Resource Graph "Guidance for throttled requests": 15 queries in 5 seconds.
func (c *armCall) meter(t armRoute) error {
	if t.operation == "POST /resources" {
		if wait, ok := c.server.limits.take(c.now, "graph/"+c.app.ClientID, 3, 15, 1); !ok {
			c.header.Set("X-Ms-User-Quota-Remaining", "0")
			c.header.Set("X-Ms-User-Quota-Resets-After", "00:00:05")
			c.header.Set("Retry-After", wholeSeconds(wait))
			return refuseARM(http.StatusTooManyRequests, "RateLimiting", "Please provide below info when asking for support.")
		}
		c.header.Set("X-Ms-User-Quota-Remaining", "14")
		c.header.Set("X-Ms-User-Quota-Resets-After", "00:00:05")
		return nil
	}
	b := map[string]bucket{
		http.MethodGet:    {"reads", 250, 25},
		http.MethodPut:    {"writes", 200, 10},
		http.MethodDelete: {"deletes", 200, 10},
	}[t.method]
	place, _ := parseScope(c.scope)
	wait, ok := c.server.limits.take(c.now, strings.Join([]string{b.header, c.app.ClientID, place.sub}, "/"), b.perSecond, b.burst, 1)
	c.header.Set("X-Ms-Ratelimit-Remaining-Subscription-"+b.header, strconv.Itoa(int(b.burst)-1))
	if ok {
		return nil
	}
	c.header.Set("X-Ms-Ratelimit-Remaining-Subscription-"+b.header, "0")
	c.header.Set("Retry-After", wholeSeconds(wait))
	return refuseARM(http.StatusTooManyRequests, "SubscriptionRequestsThrottled",
		"Number of requests for subscription '%s' and operation '%s' exceeded the backend storage limit. "+
			"Please try again after '%s' seconds.",
		place.sub, t.operation, wholeSeconds(wait))
}

// place checks that the scope is there and the caller may see it.
func (c *armCall) place() (scope, error) {
	p, ok := parseScope(c.scope)
	if !ok {
		return p, refuseARM(http.StatusBadRequest, "InvalidScope",
			"The scope '%s' is not one of the simulated Resource Manager's.", c.scope)
	}
	if uuid.Validate(p.sub) != nil {
		return p, refuseARM(http.StatusBadRequest, "InvalidSubscriptionId",
			"The provided subscription identifier '%s' is malformed or invalid.", p.sub)
	}
	sub := c.server.state.Subscriptions[p.sub]
	if sub == nil || sub.Tenant == c.dir.ID && c.app.Permissions.NoSubscriptions {
		return p, refuseARM(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", p.sub)
	}
	if sub.Tenant != c.dir.ID {
		return p, refuseARM(http.StatusUnauthorized, "InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer. "+
			"It must match the tenant '%s' associated with this subscription.", sub.Tenant)
	}
	if p.group == "" {
		return p, nil
	}
	group, ok := sub.Groups[p.group]
	if !ok {
		return p, refuseARM(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", p.group)
	}
	if _, ok := group.Clusters[p.cluster]; p.cluster != "" && !ok {
		return p, refuseARM(http.StatusNotFound, "ResourceNotFound", "The Resource 'Microsoft.ContainerService/managedClusters/%s' under "+
			"resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", p.cluster, p.group)
	}
	return p, nil
}

// unauthorized is the refusal of an action.
func (c *armCall) unauthorized(action string) error {
	return refuseARM(http.StatusForbidden, "AuthorizationFailed", "The client '%s' with object id '%s' does not have authorization to "+
		"perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		c.app.ClientID, c.app.Principal, action, c.scope)
}
