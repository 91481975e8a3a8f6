package aws_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

const (
	key    = "AKIASIMULATORTEST000"
	secret = "the-secret-of-the-test"
	store  = "d-9067f0a1b2"
	nobody = "9067f0a1b2-00000000-0000-0000-0000-000000000000"
)

// cloud is a simulator with a caller who signs as the vendor documents it.
type cloud struct {
	*aws.Server
	address string
}

func newCloud(t *testing.T, options aws.Options) cloud {
	t.Helper()
	options.AccessKey, options.SecretKey = key, secret
	if options.Stale == 0 {
		options.Stale = -1
	}
	if options.Assignment == 0 {
		options.Assignment = -1
	}
	server, err := aws.New(options)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	return cloud{server, front.URL}
}

// request is a call that is signed right; tests spoil it.
type request struct {
	target, service, body, key, secret, token string
	at                                        time.Time
	spoil                                     func(*http.Request)
}

func (c cloud) send(t *testing.T, r request) (status int, answer map[string]any) {
	t.Helper()
	call, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.address+"/", strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	call.Header.Set("Content-Type", "application/x-amz-json-1.1")
	call.Header.Set("X-Amz-Target", r.target)
	r.sign(call)
	if r.spoil != nil {
		r.spoil(call)
	}
	response, err := http.DefaultClient.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer = map[string]any{}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&answer); err != nil {
		t.Fatalf("the answer is no JSON: %s", body)
	}
	return response.StatusCode, answer
}

// sign is Signature Version 4, written a second time.
func (r request) sign(call *http.Request) {
	at := r.at
	if at.IsZero() {
		at = time.Now()
	}
	stamp := at.UTC().Format("20060102T150405Z")
	call.Header.Set("X-Amz-Date", stamp)
	if r.token != "" {
		call.Header.Set("X-Amz-Security-Token", r.token)
	}
	hash := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	canonical := "POST\n/\n\nhost:" + call.URL.Host + "\nx-amz-date:" + stamp + "\nx-amz-target:" + r.target + "\n\n" +
		"host;x-amz-date;x-amz-target\n" + hash(r.body)
	scope := stamp[:8] + "/eu-central-1/" + r.service + "/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hash(canonical)
	mac := []byte("AWS4" + r.secret)
	for _, part := range []string{stamp[:8], "eu-central-1", r.service, "aws4_request", text} {
		h := hmac.New(sha256.New, mac)
		_, _ = io.WriteString(h, part)
		mac = h.Sum(nil)
	}
	call.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+r.key+"/"+scope+
		", SignedHeaders=host;x-amz-date;x-amz-target, Signature="+hex.EncodeToString(mac))
}

// call makes a call of one of the services as the administrator.
func (c cloud) call(t *testing.T, target, body string) (string, map[string]any) {
	t.Helper()
	service := map[string]string{
		"AWSIdentityStore": "identitystore", "SWBExternalService": "sso", "AWSOrganizationsV20161128": "organizations",
	}[strings.Split(target, ".")[0]]
	status, answer := c.send(t, request{target: target, service: service, body: body, key: key, secret: secret})
	if status == http.StatusOK {
		return "", answer
	}
	code, _ := answer["__type"].(string)
	return code, answer
}

func TestWhoMayCall(t *testing.T) {
	c := newCloud(t, aws.Options{})
	c.Key("ASIATEMPORARY0000001", "temporary", "token", time.Now().Add(time.Hour))
	c.Key("ASIATEMPORARY0000002", "temporary", "token", time.Now().Add(-time.Hour))
	good := request{target: "AWSIdentityStore.ListUsers", service: "identitystore", body: `{"IdentityStoreId":"` + store + `"}`, key: key, secret: secret}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	cases := map[string]struct {
		reason string
		change func(*request)
		want   string
	}{
		"Good":       {"nothing is wrong", func(*request) {}, ""},
		"Temporary":  {"a key with its token", func(r *request) { r.key, r.secret, r.token = "ASIATEMPORARY0000001", "temporary", "token" }, ""},
		"Early":      {"four minutes are allowed", func(r *request) { r.at = time.Now().Add(4 * time.Minute) }, ""},
		"Unsigned":   {"nobody said who", func(r *request) { r.spoil = func(c *http.Request) { c.Header.Del("Authorization") } }, "MissingAuthenticationTokenException"},
		"Basic":      {"another scheme", func(r *request) { r.spoil = header("Authorization", "Basic YTpi") }, "IncompleteSignatureException"},
		"Unknown":    {"a key that nobody has", func(r *request) { r.key = "AKIANOBODY0000000000" }, "UnrecognizedClientException"},
		"Secret":     {"a wrong secret", func(r *request) { r.secret = "other" }, "InvalidSignatureException"},
		"Late":       {"six minutes are not", func(r *request) { r.at = time.Now().Add(-6 * time.Minute) }, "InvalidSignatureException"},
		"Service":    {"signed for another service", func(r *request) { r.service = "sso" }, "InvalidSignatureException"},
		"Body":       {"changed after it was signed", func(r *request) { r.spoil = header("X-Amz-Target", "AWSIdentityStore.ListGroups") }, "InvalidSignatureException"},
		"NoToken":    {"a temporary key without its token", func(r *request) { r.key, r.secret = "ASIATEMPORARY0000001", "temporary" }, "UnrecognizedClientException"},
		"Expired":    {"a temporary key whose time is over", func(r *request) { r.key, r.secret, r.token = "ASIATEMPORARY0000002", "temporary", "token" }, "ExpiredTokenException"},
		"NoSuch":     {"an operation that nobody knows", func(r *request) { r.target = "AWSIdentityStore.Guess" }, "UnknownOperationException"},
		"OtherForm":  {"another content type", func(r *request) { r.spoil = header("Content-Type", "text/plain") }, "UnknownOperationException"},
		"NotAMethod": {"another method", func(r *request) { r.spoil = func(c *http.Request) { c.Method = http.MethodPut } }, "UnknownOperationException"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			r := good
			test.change(&r)
			status, answer := c.send(t, r)
			if code, _ := answer["__type"].(string); code != test.want || (status == http.StatusOK) != (test.want == "") {
				t.Errorf("%s: answered %d %v, want %q", test.reason, status, answer, test.want)
			}
		})
	}
}

// TestWhatIsRefused is as strict as the models.
func TestWhatIsRefused(t *testing.T) {
	c := newCloud(t, aws.Options{})
	c.Account("200000000001", "one")
	set, group, ada := c.PermissionSet("Reader"), c.Group("taken", ""), c.User("ada@example.com")
	long := strings.Repeat("g", 1025)
	in := func(fields string) string { return `{"IdentityStoreId":"` + store + `"` + fields + `}` }
	assign := func(fields string) string {
		return `{"InstanceArn":"` + c.InstanceARN() + `","TargetType":"AWS_ACCOUNT","PermissionSetArn":"` + set + `"` + fields + `}`
	}
	cases := []struct{ reason, target, body, want string }{
		{"no JSON", "AWSIdentityStore.CreateGroup", `{`, "SerializationException"},
		{"two values", "AWSIdentityStore.CreateGroup", `{}{}`, "SerializationException"},
		{"a field that no model has", "AWSIdentityStore.CreateGroup", in(`,"Tags":{}`), "SerializationException"},
		{"no store", "AWSIdentityStore.CreateGroup", `{"DisplayName":"x"}`, "ValidationException"},
		{"a store that is none", "AWSIdentityStore.CreateGroup", `{"IdentityStoreId":"store","DisplayName":"x"}`, "ValidationException"},
		{"another store", "AWSIdentityStore.CreateGroup", `{"IdentityStoreId":"d-0000000000","DisplayName":"x"}`, "ResourceNotFoundException"},
		{"an empty name", "AWSIdentityStore.CreateGroup", in(`,"DisplayName":""`), "ValidationException"},
		{"a name that is too long", "AWSIdentityStore.CreateGroup", in(`,"DisplayName":"` + long + `"`), "ValidationException"},
		{"a control character", "AWSIdentityStore.CreateGroup", in(`,"DisplayName":"a\u0007"`), "ValidationException"},
		{"a reserved name", "AWSIdentityStore.CreateGroup", in(`,"DisplayName":"Administrator"`), "ValidationException"},
		{"a name that is taken", "AWSIdentityStore.CreateGroup", in(`,"DisplayName":"taken"`), "ConflictException"},
		{"no group", "AWSIdentityStore.DescribeGroup", in(`,"GroupId":"` + nobody + `"`), "ResourceNotFoundException"},
		{"an id that is none", "AWSIdentityStore.DescribeGroup", in(`,"GroupId":"x"`), "ValidationException"},
		{"nobody of that name", "AWSIdentityStore.GetUserId", in(`,"AlternateIdentifier":{"UniqueAttribute":{"AttributePath":"userName","AttributeValue":"x"}}`), "ResourceNotFoundException"},
		{"an attribute that is not unique", "AWSIdentityStore.GetUserId", in(`,"AlternateIdentifier":{"UniqueAttribute":{"AttributePath":"title","AttributeValue":"x"}}`), "ValidationException"},
		{"a page that is too long", "AWSIdentityStore.ListGroups", in(`,"MaxResults":101`), "ValidationException"},
		{"a page of nothing", "AWSIdentityStore.ListGroups", in(`,"MaxResults":0`), "ValidationException"},
		{"a token of another list", "AWSIdentityStore.ListGroups", in(`,"NextToken":"dXNlcnM6YQ=="`), "ValidationException"},
		{"a token that is none", "AWSIdentityStore.ListGroups", in(`,"NextToken":"!"`), "ValidationException"},
		{"a user without names", "AWSIdentityStore.CreateUser", in(`,"UserName":"bob"`), "ValidationException"},
		{"a user name with a blank", "AWSIdentityStore.CreateUser", in(`,"UserName":"bob b","DisplayName":"b","Name":{"GivenName":"b","FamilyName":"b"}`), "ValidationException"},
		{"a user who is there", "AWSIdentityStore.CreateUser", in(`,"UserName":"ada@example.com","DisplayName":"b","Name":{"GivenName":"b","FamilyName":"b"}`), "ConflictException"},
		{"a member who is nobody", "AWSIdentityStore.CreateGroupMembership", in(`,"GroupId":"` + group + `","MemberId":{"UserId":"` + nobody + `"}`), "ResourceNotFoundException"},
		{"a group that is none", "AWSIdentityStore.CreateGroupMembership", in(`,"GroupId":"` + nobody + `","MemberId":{"UserId":"` + ada + `"}`), "ResourceNotFoundException"},
		{"no member", "AWSIdentityStore.CreateGroupMembership", in(`,"GroupId":"` + group + `","MemberId":{}`), "ValidationException"},
		{"a membership that is none", "AWSIdentityStore.DeleteGroupMembership", in(`,"MembershipId":"` + nobody + `"`), "ResourceNotFoundException"},
		{"a target that is no account", "SWBExternalService.CreateAccountAssignment", assign(`,"TargetId":"1","PrincipalType":"GROUP","PrincipalId":"` + group + `"`), "ValidationException"},
		{"a principal that is neither", "SWBExternalService.CreateAccountAssignment", assign(`,"TargetId":"200000000001","PrincipalType":"ROLE","PrincipalId":"` + group + `"`), "ValidationException"},
		{"a principal that is none", "SWBExternalService.CreateAccountAssignment", assign(`,"TargetId":"200000000001","PrincipalType":"GROUP","PrincipalId":"` + nobody + `"`), "ResourceNotFoundException"},
		{"no account", "AWSOrganizationsV20161128.DescribeAccount", `{"AccountId":"999999999999"}`, "AccountNotFoundException"},
		{"a page of accounts that is too long", "AWSOrganizationsV20161128.ListAccounts", `{"MaxResults":21}`, "ValidationException"},
	}
	for _, test := range cases {
		t.Run(strings.ReplaceAll(test.reason, " ", "_"), func(t *testing.T) {
			if code, answer := c.call(t, test.target, test.body); code != test.want {
				t.Errorf("%s: answered %q %v, want %q", test.reason, code, answer, test.want)
			}
		})
	}
}

func TestPages(t *testing.T) {
	c := newCloud(t, aws.Options{})
	for i := range 7 {
		c.Group("group-"+string(rune('a'+i)), "")
	}
	seen, next := map[string]bool{}, ""
	for page := 1; ; page++ {
		body := `{"IdentityStoreId":"` + store + `","MaxResults":3`
		if next != "" {
			body += `,"NextToken":"` + next + `"`
		}
		_, answer := c.call(t, "AWSIdentityStore.ListGroups", body+"}")
		groups, _ := answer["Groups"].([]any)
		for _, g := range groups {
			fields, _ := g.(map[string]any)
			name, _ := fields["DisplayName"].(string)
			seen[name] = true
		}
		if next, _ = answer["NextToken"].(string); next == "" {
			if page != 3 {
				t.Errorf("7 groups in pages of 3 took %d pages", page)
			}
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("of 7 groups %d were seen", len(seen))
	}
}

// TestReadsLag on a clock of the test's own.
func TestReadsLag(t *testing.T) {
	now := time.Now()
	c := newCloud(t, aws.Options{Stale: time.Minute, Clock: func() time.Time { return now }})
	_, made := c.call(t, "AWSIdentityStore.CreateGroup", `{"IdentityStoreId":"`+store+`","DisplayName":"late"}`)
	id, _ := made["GroupId"].(string)
	describe := `{"IdentityStoreId":"` + store + `","GroupId":"` + id + `"}`
	if code, _ := c.call(t, "AWSIdentityStore.DescribeGroup", describe); code != "ResourceNotFoundException" {
		t.Errorf("a group that was just made is seen: %q", code)
	}
	now = now.Add(time.Minute)
	if code, _ := c.call(t, "AWSIdentityStore.DescribeGroup", describe); code != "" {
		t.Errorf("a minute later it is not: %q", code)
	}
	c.DeleteGroup(id)
	if code, _ := c.call(t, "AWSIdentityStore.DescribeGroup", describe); code != "" {
		t.Errorf("a group that was just deleted is gone at once: %q", code)
	}
}

func TestAssignmentsTakeTheirTime(t *testing.T) {
	now := time.Now()
	c := newCloud(t, aws.Options{Assignment: time.Minute, Clock: func() time.Time { return now }})
	set, group := c.PermissionSet("Reader"), c.Group("group", "")
	begin := func(account string) (string, string) {
		t.Helper()
		code, answer := c.call(t, "SWBExternalService.CreateAccountAssignment", `{"InstanceArn":"`+c.InstanceARN()+
			`","TargetType":"AWS_ACCOUNT","TargetId":"`+account+`","PermissionSetArn":"`+set+`","PrincipalType":"GROUP","PrincipalId":"`+group+`"}`)
		status, _ := answer["AccountAssignmentCreationStatus"].(map[string]any)
		id, _ := status["RequestId"].(string)
		return code, id
	}
	status := func(id string) any {
		t.Helper()
		_, answer := c.call(t, "SWBExternalService.DescribeAccountAssignmentCreationStatus",
			`{"InstanceArn":"`+c.InstanceARN()+`","AccountAssignmentCreationRequestId":"`+id+`"}`)
		fields, _ := answer["AccountAssignmentCreationStatus"].(map[string]any)
		return fields["Status"]
	}
	accounts := []string{}
	for i := range 11 {
		accounts = append(accounts, "20000000000"+string("0123456789a"[i]))
	}
	accounts[10] = "200000000099"
	for _, id := range accounts {
		c.Account(id, id)
	}
	_, first := begin(accounts[0])
	if code, _ := begin(accounts[0]); code != "ConflictException" {
		t.Errorf("a second change of the account: %q, want a conflict", code)
	}
	for _, account := range accounts[1:10] {
		if code, _ := begin(account); code != "" {
			t.Errorf("the change of another account: %q", code)
		}
	}
	if code, _ := begin(accounts[10]); code != "ConflictException" {
		t.Errorf("the eleventh change: %q, want a conflict", code)
	}
	if got := status(first); got != "IN_PROGRESS" {
		t.Errorf("at first it is %v", got)
	}
	c.FailAssignment(accounts[0], "no reason")
	now = now.Add(time.Minute)
	if got := status(first); got != "FAILED" {
		t.Errorf("in the end it is %v, want FAILED as asked for", got)
	}
	_, again := begin(accounts[0])
	now = now.Add(time.Minute)
	if got := status(again); got != "SUCCEEDED" {
		t.Errorf("the next one is %v", got)
	}
}

func TestThrottling(t *testing.T) {
	c := newCloud(t, aws.Options{CallsPerSecond: 2})
	var refused map[string]any
	for range 5 {
		if code, answer := c.call(t, "AWSIdentityStore.ListGroups", `{"IdentityStoreId":"`+store+`"}`); code == "ThrottlingException" {
			refused = answer
		}
	}
	if wait, _ := refused["RetryAfterSeconds"].(float64); wait < 1 {
		t.Errorf("five calls at two a second: %v", refused)
	}
	if code, _ := c.call(t, "AWSOrganizationsV20161128.ListAccounts", `{}`); code != "" {
		t.Errorf("Organizations has a limit of its own: %q", code)
	}
}

func TestStateSurvives(t *testing.T) {
	options := aws.Options{File: filepath.Join(t.TempDir(), "aws.json")}
	first := newCloud(t, options)
	set, ada := first.PermissionSet("Reader"), first.User("ada@example.com")
	first.Account("200000000001", "one")
	group := first.Group("group", "mark", ada)
	first.Assign("200000000001", set, group)
	second := newCloud(t, options)
	if got := second.MembersOf(group); len(got) != 1 || got[0] != ada {
		t.Errorf("after a restart the group has %v", got)
	}
	_, answer := second.call(t, "SWBExternalService.ListAccountAssignmentsForPrincipal", `{"InstanceArn":"`+second.InstanceARN()+
		`","PrincipalType":"GROUP","PrincipalId":"`+group+`","Filter":{"AccountId":"200000000001"}}`)
	if rows, _ := answer["AccountAssignments"].([]any); len(rows) != 1 {
		t.Errorf("after a restart the assignments are %v", answer)
	}
}
