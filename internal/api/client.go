package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/explain"
)

// Client is the service of a server. It is safe for use by many goroutines.
type Client struct {
	base      *url.URL
	http      *http.Client
	token     func(context.Context) (string, error)
	endpoints endpoints
}

var _ control.Service = (*Client)(nil)

// maxResult is how long a result, or one line of a stream, may be.
const maxResult = 1 << 30

// NewClient returns a client of the server at an address as https://rollcall.example.com. Plain
// http is accepted for a server on this machine only: a token would be readable on the way.
// token returns the credential of each request; an empty one sends none.
func NewClient(address string, transport http.RoundTripper, token func(context.Context) (string, error)) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(address, "/"))
	const refused = "%q is no address of a server: write https://%s"
	switch {
	case err != nil, base.Host == "", base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, &control.Error{Code: control.Invalid, Message: fmt.Sprintf(refused, address, "HOST")}
	case base.Scheme == "http" && !loopback(base.Hostname()):
		return nil, &control.Error{Code: control.Invalid, Message: fmt.Sprintf(
			"%q: plain http reaches servers on this machine only: write https://%s", address, base.Host)}
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, &control.Error{Code: control.Invalid, Message: fmt.Sprintf(refused, address, base.Host)}
	}
	redirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a token goes to one server
	return &Client{
		base: base, http: &http.Client{Transport: transport, CheckRedirect: redirect}, token: token, endpoints: newEndpoints(),
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// How a client repeats a change whose connection broke.
const (
	maxRepeats  = 5
	repeatDelay = time.Second
	// runningTimeout is how long the first attempt may go on meanwhile.
	runningTimeout = 5 * time.Minute
)

// brokenError is the failure of a connection that broke after the request may have been read.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

// do calls an endpoint. With an error the result is the part that there is. A change whose
// connection broke is repeated with its idempotency key, and so has one effect; events may be
// reported again.
func do[In, Out any](ctx context.Context, c *Client, e endpoint[In, Out], request In, events report) (Out, error) {
	if !e.keyed {
		result, err := attemptOf(ctx, c, e, request, events, "")
		return result, unbroken(err)
	}
	key, until := rand.Text(), time.Now().Add(runningTimeout)
	for broken := 0; ; {
		result, err := attemptOf(ctx, c, e, request, events, key)
		_, isBroken := errors.AsType[brokenError](err)
		failed, _ := errors.AsType[*control.Error](err)
		runs := failed != nil && failed.Code == control.Conflict && failed.Field == keyHeader && failed.Name == ""
		unavailable := broken > 0 && control.CodeOf(err) == control.Unavailable
		if isBroken || unavailable {
			broken++
		}
		if !isBroken && !unavailable && !runs || broken > maxRepeats || time.Now().After(until) {
			return result, unbroken(err)
		}
		select {
		case <-time.After(repeatDelay):
		case <-ctx.Done():
			return result, ctx.Err()
		}
	}
}

func unbroken(err error) error {
	if b, ok := errors.AsType[brokenError](err); ok {
		return b.error
	}
	return err
}

// attemptOf calls an endpoint once.
func attemptOf[In, Out any](ctx context.Context, c *Client, e endpoint[In, Out], request In, events report, key string) (Out, error) {
	var result Out
	response, err := c.send(ctx, e.name, request, e.streams, key) //nolint:bodyclose // answer closes it
	if err != nil {
		return result, err
	}
	return answer[Out](ctx, c, response, events)
}

// answer reads the answer of an endpoint.
func answer[Out any](ctx context.Context, c *Client, response *http.Response, events report) (Out, error) {
	var result Out
	defer func() { _ = response.Body.Close() }()
	switch kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); {
	case response.StatusCode == http.StatusOK && kind == streamType:
		return readStream[Out](ctx, response.Body, events)
	case response.StatusCode == http.StatusOK && kind == "application/json":
		if err := decode(response.Body, &result); err != nil {
			return result, c.broken(ctx, err)
		}
		return result, nil
	case kind == "application/problem+json":
		var p Problem
		if err := decode(response.Body, &p); err != nil {
			return result, c.broken(ctx, err)
		}
		return partial(result, p.Result, p.asError())
	default:
		return result, &control.Error{Code: control.Unavailable, Message: fmt.Sprintf(
			"%s answers %s, which is not Rollcall's interface: check ROLLCALL_SERVER, and any proxy before it", c.base, response.Status)}
	}
}

// send sends a request.
func (c *Client) send(ctx context.Context, name string, request any, streams bool, key string) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	r, err := c.request(ctx, http.MethodPost, name, bytes.NewReader(body), c.token)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if streams {
		r.Header.Set("Accept", streamType+", application/json")
	}
	if key != "" {
		r.Header.Set(keyHeader, `"`+key+`"`)
	}
	connected := false
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }}
	response, err := c.http.Do(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err == nil {
		return response, nil
	}
	if err = c.broken(ctx, err); !connected { // the server has not read the request
		err = unbroken(err)
	}
	return nil, err
}

// request returns a request with a token.
func (c *Client) request(
	ctx context.Context, method, name string, body io.Reader, token func(context.Context) (string, error),
) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base.String()+"/v1/"+name, body)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	bearer, err := token(ctx)
	if err != nil {
		return nil, err
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return r, nil
}

// broken returns the error of a server that does not answer as it should. A cancelled call
// ends with the context's error.
func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the address is in the message
	}
	return brokenError{&control.Error{
		Code: control.Unavailable, Message: fmt.Sprintf("the server %s does not answer: %v", c.base, err),
	}}
}

// readStream reads a stream until its result.
func readStream[Out any](ctx context.Context, body io.Reader, events report) (Out, error) {
	var result Out
	reader := bufio.NewReaderSize(body, 64<<10)
	for {
		text, err := readLine(reader)
		if err != nil {
			if ctx.Err() != nil {
				return result, ctx.Err()
			}
			return result, cutOff(err)
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return result, cutOff(err) // ReadLine returns the part of a line before the end
		}
		switch {
		case l.Event != nil:
			if events != nil {
				events(*l.Event)
			}
		case l.Error != nil:
			return partial(result, l.Result, l.Error.asError())
		case l.Result == nil:
			return result, errors.New("api: a line of the server has neither an event nor a result")
		default:
			return partial(result, l.Result, nil)
		}
	}
}

func cutOff(err error) error {
	return brokenError{&control.Error{Code: control.Unavailable, Message: fmt.Sprintf(
		"the connection to the server ended before the result (%v): rollcall status shows how far the work is", err)}}
}

// readLine reads one line, however long, up to maxResult.
func readLine(r *bufio.Reader) ([]byte, error) {
	var whole []byte
	for {
		part, continues, err := r.ReadLine()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if whole = append(whole, part...); len(whole) > maxResult {
			return nil, fmt.Errorf("a line has more than %d bytes", maxResult)
		}
		if !continues {
			return whole, nil
		}
	}
}

// partial returns the part of a result with the failure.
func partial[Out any](result Out, text json.RawMessage, failure error) (Out, error) {
	if len(text) == 0 {
		return result, failure
	}
	if err := json.Unmarshal(text, &result); err != nil && failure == nil {
		return result, fmt.Errorf("api: the result of the server: %w", err)
	}
	return result, failure
}

func decode(body io.Reader, into any) error {
	return json.NewDecoder(io.LimitReader(body, maxResult)).Decode(into)
}

// Transport returns a transport for servers that may take long to answer.
func Transport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second,
	}
}

// Get is that of control.Documents.
func (c *Client) Get(ctx context.Context, r control.GetRequest) ([]document.Document, error) {
	return documentPages(func(page PageRequest) (DocumentList, error) {
		return do(ctx, c, c.endpoints.get, GetRequest{GetRequest: r, PageRequest: page}, nil)
	})
}

// Export is that of control.Documents.
func (c *Client) Export(ctx context.Context) ([]document.Document, error) {
	return documentPages(func(page PageRequest) (DocumentList, error) { return do(ctx, c, c.endpoints.export, page, nil) })
}

// Apply is that of control.Documents.
func (c *Client) Apply(ctx context.Context, r control.ApplyRequest, events func(control.Event)) (control.ChangeResult, error) {
	request := ApplyRequest{Documents: r.Documents, Origins: originsOf(r.Documents), Prune: r.Prune, ChangeOptions: r.ChangeOptions}
	return do(ctx, c, c.endpoints.apply, request, events)
}

// ApplyPlan is that of control.Documents.
func (c *Client) ApplyPlan(ctx context.Context, r control.ApplyPlanRequest, events func(control.Event)) (control.ChangeResult, error) {
	return do(ctx, c, c.endpoints.applyPlan, r, events)
}

// Delete is that of control.Documents.
func (c *Client) Delete(ctx context.Context, r control.DeleteRequest, events func(control.Event)) (control.ChangeResult, error) {
	return do(ctx, c, c.endpoints.deleteDocument, r, events)
}

// PlanDocuments is that of control.Plans.
func (c *Client) PlanDocuments(
	ctx context.Context, r control.PlanDocumentsRequest, events func(control.Event),
) (control.DocumentsPlan, error) {
	request := PlanDocumentsRequest{Documents: r.Documents, Origins: originsOf(r.Documents), Prune: r.Prune, Ordered: r.Ordered}
	return do(ctx, c, c.endpoints.planDocuments, request, events)
}

// Plan is that of control.Plans.
func (c *Client) Plan(ctx context.Context, r control.PlanRequest, events func(control.Event)) (control.PlanSummary, error) {
	return do(ctx, c, c.endpoints.plan, r, events)
}

// ListTenants is that of control.Tenants.
func (c *Client) ListTenants(ctx context.Context, s control.Selection) ([]access.TenantID, error) {
	return allPages(func(page PageRequest) (List[access.TenantID], error) {
		return do(ctx, c, c.endpoints.listTenants, TenantListRequest{Selection: s, PageRequest: page}, nil)
	})
}

// Replicate is that of control.Tenants.
func (c *Client) Replicate(ctx context.Context, r control.ReplicateRequest, events func(control.Event)) (control.ReplicateResult, error) {
	return do(ctx, c, c.endpoints.replicate, r, events)
}

// Status is that of control.Tenants.
func (c *Client) Status(ctx context.Context, r control.StatusRequest) (control.StatusResult, error) {
	var all control.StatusResult
	items, err := eachPage(func(page PageRequest) ([]control.TenantReport, string, error) {
		found, err := do(ctx, c, c.endpoints.status, StatusRequest{StatusRequest: r, PageRequest: page}, nil)
		all = found.StatusResult
		return found.Report.Items, found.NextPageToken, err
	})
	all.Report.Items = items
	return all, err
}

// Explain is that of control.Tenants.
func (c *Client) Explain(ctx context.Context, r control.ExplainRequest) (explain.Answer, error) {
	return do(ctx, c, c.endpoints.explain, r, nil)
}

// ListPending is that of control.Decisions.
func (c *Client) ListPending(ctx context.Context) ([]control.PendingTenant, error) {
	return allPages(func(page PageRequest) (List[control.PendingTenant], error) {
		return do(ctx, c, c.endpoints.listPending, page, nil)
	})
}

// Decide is that of control.Decisions.
func (c *Client) Decide(ctx context.Context, r control.DecideRequest, events func(control.Event)) (control.ReplicateResult, error) {
	return do(ctx, c, c.endpoints.decide, r, events)
}

// ListDecisions is that of control.Decisions.
func (c *Client) ListDecisions(ctx context.Context, tenants []access.TenantID) ([]control.DecisionRecord, error) {
	return allPages(func(page PageRequest) (List[control.DecisionRecord], error) {
		return do(ctx, c, c.endpoints.listDecisions, TenantsRequest{Tenants: tenants, PageRequest: page}, nil)
	})
}

// ListAdoptions is that of control.Adoptions.
func (c *Client) ListAdoptions(ctx context.Context) ([]control.AdoptionRecord, error) {
	return allPages(func(page PageRequest) (List[control.AdoptionRecord], error) {
		return do(ctx, c, c.endpoints.listAdoptions, page, nil)
	})
}

// ListAdoptable is that of control.Adoptions.
func (c *Client) ListAdoptable(ctx context.Context, tenant access.TenantID) ([]string, error) {
	return items(do(ctx, c, c.endpoints.listAdoptable, TenantRequest{Tenant: tenant}, nil))
}

// Adopt is that of control.Adoptions.
func (c *Client) Adopt(ctx context.Context, r control.AdoptRequest, events func(control.Event)) (control.AdoptResult, error) {
	return do(ctx, c, c.endpoints.adopt, r, events)
}

// ListRevocations is that of control.Revocations.
func (c *Client) ListRevocations(ctx context.Context, lifted bool) ([]control.Revocation, error) {
	return allPages(func(page PageRequest) (List[control.Revocation], error) {
		return do(ctx, c, c.endpoints.listRevocations, RevocationsRequest{Lifted: lifted, PageRequest: page}, nil)
	})
}

// GetRevocation is that of control.Revocations.
func (c *Client) GetRevocation(ctx context.Context, user string) (control.Revocation, error) {
	return do(ctx, c, c.endpoints.getRevocation, UserRequest{User: user}, nil)
}

// Revoke is that of control.Revocations.
func (c *Client) Revoke(ctx context.Context, r control.RevokeRequest, events func(control.Event)) (control.RevokeResult, error) {
	return do(ctx, c, c.endpoints.revoke, r, events)
}

// Lift is that of control.Revocations.
func (c *Client) Lift(ctx context.Context, r control.LiftRequest, events func(control.Event)) (control.LiftResult, error) {
	return do(ctx, c, c.endpoints.lift, r, events)
}

// ListConnections is that of control.Platforms.
func (c *Client) ListConnections(ctx context.Context) (control.ConnectionsReport, error) {
	return do(ctx, c, c.endpoints.listConnections, None{}, nil)
}

// CheckConnections is that of control.Platforms.
func (c *Client) CheckConnections(ctx context.Context, r control.CheckRequest) (control.ConnectionsReport, error) {
	return do(ctx, c, c.endpoints.checkConnections, r, nil)
}

// Forget is that of control.Platforms.
func (c *Client) Forget(ctx context.Context, r control.ForgetRequest) (control.ForgetResult, error) {
	return do(ctx, c, c.endpoints.forget, r, nil)
}

// ListAbandoned is that of control.Platforms.
func (c *Client) ListAbandoned(ctx context.Context, platform string) ([]control.AbandonedPlatform, error) {
	return allPages(func(page PageRequest) (List[control.AbandonedPlatform], error) {
		return do(ctx, c, c.endpoints.listAbandoned, PlatformRequest{Platform: platform, PageRequest: page}, nil)
	})
}

// ListFormerConnections is that of control.Platforms.
func (c *Client) ListFormerConnections(ctx context.Context) ([]control.FormerConnection, error) {
	return items(do(ctx, c, c.endpoints.listFormerConnections, None{}, nil))
}

// ListCalls is that of control.Audit.
func (c *Client) ListCalls(ctx context.Context, r control.CallsRequest) (control.CallsPage, error) {
	return do(ctx, c, c.endpoints.listCalls, r, nil)
}

// items returns the items of a list.
func items[T any](list List[T], err error) ([]T, error) { return list.Items, err }
