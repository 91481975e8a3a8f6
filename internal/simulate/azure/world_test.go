package azure_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/uuid"
	kiotaauth "github.com/microsoft/kiota-authentication-azure-go"
	nethttp "github.com/microsoft/kiota-http-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	msgraphgocore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	azure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

const (
	clientID = "6d2d9e31-45f6-4d0b-8f5a-5b1c6e1d2f30"
	secret   = "correct horse"
	domain   = "contoso.example"
)

// clock is the cloud's time, which tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a cloud behind TLS with one tenant and an app that may do all.
type world struct {
	*azure.Server
	t      *testing.T
	clock  *clock
	url    string
	http   *http.Client
	tenant string
	app    string // object id of the service principal
}

// newWorld starts a cloud whose reads do not lag, unless o says otherwise.
func newWorld(t *testing.T, o azure.Options) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Now()}}
	if o.Stale == 0 {
		o.Stale = -1
	}
	if o.Clock == nil {
		o.Clock = w.clock.time
	}
	server, err := azure.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Server = server
	listener := httptest.NewTLSServer(server)
	t.Cleanup(listener.Close)
	w.url, w.http = listener.URL, listener.Client()
	w.tenant = server.AddTenant("", domain)
	w.app = server.AddApp(w.tenant, clientID, secret)
	return w
}

func (w *world) options() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: w.url,
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: w.url, Audience: "https://management.azure.com"},
			},
		},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Transport: w.http,
	}
}

func (w *world) arm() *arm.ClientOptions {
	return &arm.ClientOptions{ClientOptions: w.options(), DisableRPRegistration: true}
}

// credential is the vendor's own client of the token endpoint.
func (w *world) credential() azcore.TokenCredential {
	w.t.Helper()
	c, err := azidentity.NewClientSecretCredential(w.tenant, clientID, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: w.options(), DisableInstanceDiscovery: true,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// graph is the vendor's own client of Graph, with its usual middleware but for
// retries.
func (w *world) graph() *msgraphgocore.GraphRequestAdapterBase {
	w.t.Helper()
	host, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	auth, err := kiotaauth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(
		w.credential(), []string{"https://graph.microsoft.com/.default"}, []string{host.Hostname(), host.Host})
	if err != nil {
		w.t.Fatal(err)
	}
	client := &http.Client{Transport: nethttp.NewCustomTransportWithParentTransport(w.http.Transport,
		nethttp.NewParametersNameDecodingHandler(), nethttp.NewCompressionHandler(), nethttp.NewUserAgentHandler())}
	adapter, err := msgraphgocore.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		auth, msgraphgocore.GraphClientOptions{}, jsonserialization.NewJsonParseNodeFactory(),
		jsonserialization.NewJsonSerializationWriterFactory(), client)
	if err != nil {
		w.t.Fatal(err)
	}
	adapter.SetBaseUrl(w.url + "/v1.0")
	return adapter
}

// base is what the SDK's builders of one path want.
func (w *world) base() map[string]string { return map[string]string{"baseurl": w.url + "/v1.0"} }

// reply is an answer as it came over the wire.
type reply struct {
	status int
	header http.Header
	body   map[string]any
}

func (r reply) code() string {
	e, _ := r.body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

func (r reply) message() string {
	e, _ := r.body["error"].(map[string]any)
	message, _ := e["message"].(string)
	return message
}

// rows are those of a list.
func (r reply) rows() []map[string]any {
	var rows []map[string]any
	values, _ := r.body["value"].([]any)
	for _, v := range values {
		row, _ := v.(map[string]any)
		rows = append(rows, row)
	}
	return rows
}

// ids are those of a list's rows.
func (r reply) ids() []string {
	ids := []string{}
	for _, row := range r.rows() {
		id, _ := row["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

// token signs in without the SDK, which keeps tokens longer than tests want.
func (w *world) token(scope string) string {
	w.t.Helper()
	got := w.signIn(w.tenant, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {scope},
	})
	token, _ := got.body["access_token"].(string)
	if token == "" {
		w.t.Fatalf("no token: %v", got.body)
	}
	return token
}

func (w *world) signIn(tenant string, form url.Values) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/"+tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(r)
}

func (w *world) send(r *http.Request) reply {
	w.t.Helper()
	answer, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	got := reply{status: answer.StatusCode, header: answer.Header}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &got.body); err != nil {
			w.t.Fatalf("the answer is no JSON: %q", raw)
		}
	}
	return got
}

// call makes one call to Graph ("/groups") or ARM ("/subscriptions/...") as it is.
func (w *world) call(method, path string, body any, headers ...string) reply {
	w.t.Helper()
	scope, prefix := "https://graph.microsoft.com/.default", "/v1.0"
	if strings.HasPrefix(path, "/subscriptions") || strings.HasPrefix(path, "/providers/") {
		scope, prefix = "https://management.azure.com/.default", ""
	}
	address := path
	if !strings.HasPrefix(path, "https://") {
		address = w.url + prefix + path
	}
	var reader io.Reader
	if body != nil {
		raw, isRaw := body.(string)
		if !isRaw {
			encoded, err := json.Marshal(body)
			if err != nil {
				w.t.Fatal(err)
			}
			raw = string(encoded)
		}
		reader = strings.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, strings.ReplaceAll(address, " ", "%20"), reader)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token(scope))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.send(r)
}

// must is call for what has to work.
func (w *world) must(method, path string, body any, headers ...string) reply {
	w.t.Helper()
	got := w.call(method, path, body, headers...)
	if got.status >= http.StatusBadRequest {
		w.t.Fatalf("%s %s: %d %s: %s", method, path, got.status, got.code(), got.message())
	}
	return got
}

// person is a member of the tenant.
func (w *world) person(name string) string {
	return w.AddUser(w.tenant, name+"@"+domain, name+"@"+domain, true)
}

// fresh is the body of a new security group.
func fresh(name string) map[string]any {
	return map[string]any{"displayName": name, "mailEnabled": false, "mailNickname": "x", "securityEnabled": true}
}

// group makes a group through the API.
func (w *world) group(name string) string {
	w.t.Helper()
	id, _ := w.must(http.MethodPost, "/groups", fresh(name)).body["id"].(string)
	return id
}

// link refers to a directory object.
func (w *world) link(id string) map[string]any {
	return map[string]any{"@odata.id": w.url + "/v1.0/directoryObjects/" + id}
}

// bind adds several members.
func (w *world) bind(ids ...string) map[string]any {
	links := make([]string, len(ids))
	for i, id := range ids {
		links[i] = w.url + "/v1.0/directoryObjects/" + id
	}
	return map[string]any{"members@odata.bind": links}
}

// newGroup is the SDK's model of a new security group, "team".
func newGroup(description string) models.Groupable {
	yes, no, name, nickname := true, false, "team", "x"
	g := models.NewGroup()
	g.SetDisplayName(&name)
	g.SetMailNickname(&nickname)
	g.SetMailEnabled(&no)
	g.SetSecurityEnabled(&yes)
	if description != "" {
		g.SetDescription(&description)
	}
	return g
}

// graphCode is what the SDK's own error says: status and code.
func graphCode(t *testing.T, err error) (int, string) {
	t.Helper()
	var refused *odataerrors.ODataError
	if !errors.As(err, &refused) {
		t.Fatalf("%v (%T) is not the SDK's error", err, err)
	}
	if refused.GetErrorEscaped() == nil || refused.GetErrorEscaped().GetCode() == nil {
		t.Fatalf("the SDK finds no code in the answer")
	}
	return refused.ResponseStatusCode, *refused.GetErrorEscaped().GetCode()
}

// armCode is what azcore's error says.
func armCode(t *testing.T, err error) (int, string) {
	t.Helper()
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) {
		t.Fatalf("%v (%T) is not the SDK's error", err, err)
	}
	return refused.StatusCode, refused.ErrorCode
}

func guid() string { return uuid.NewString() }

// scopes of the token endpoint.
func scopes(scope string) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{scope}}
}
