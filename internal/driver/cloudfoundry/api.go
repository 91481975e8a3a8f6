package cloudfoundry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

const (
	// perPage is the most entries a page may be asked to have.
	perPage = "5000"
	// mostGUIDs is how many ids of 36 letters fit into an address: web servers
	// before the Cloud Controller take 8 KB.
	mostGUIDs = 150
	// mostNames bytes of user names fit into an address besides the rest.
	mostNames = 6000
	// mostSCIM is how many users UAA is asked for together: below its page of 100,
	// and as many ids with their words around them as fit into an address.
	mostSCIM = 90
	// mostBody is the longest answer that is read: 5000 entries have some 10 MB.
	mostBody = 256 << 20
)

// onePage is the deadline of a call, which one page of 5000 may take.
func onePage() calls.Deadline {
	return calls.Deadline{Silence: calls.Default().Silence, Total: 2 * time.Minute}
}

// api makes calls to one Cloud Controller and its UAA.
type api struct {
	http    *http.Client
	base    string
	session *session
}

func newAPI(base, uaa string, from *credential.Source, limits *budget.Budget) *api {
	a := &api{base: base, http: &http.Client{
		Transport: limits.Transport(calls.Bounded(calls.NewTransport())),
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	a.session = &session{api: a, from: from, uaa: uaa}
	return a
}

// request is one call. The operation is a method and a path without people.
type request struct {
	operation, method, url string
	body                   any        // as JSON
	form                   url.Values // for UAA's tokens
	user, password, token  string
	location               *string // where to put the answer's Location
}

// call makes one call with a token, and once more with a new one where the first
// is refused. That is the only retry there is.
func (a *api) call(ctx context.Context, r request, into any) error {
	token, err := a.session.current(ctx)
	if err != nil {
		return err
	}
	r.token = token
	err = a.send(ctx, r, into)
	if _, expired := refusedWith(err, http.StatusUnauthorized); !expired {
		return err
	}
	if r.token, err = a.session.renew(ctx, token); err != nil {
		return err
	}
	return a.send(ctx, r, into)
}

// send makes one call and decodes its answer, if into is not nil.
func (a *api) send(ctx context.Context, r request, into any) error {
	ask, err := r.build(calls.WithDeadline(ctx, r.operation, onePage()))
	if err != nil {
		return fmt.Errorf("cloudfoundry: %s: %w: the request cannot be written", r.operation, fault.ErrInvalid)
	}
	answer, err := a.http.Do(ask)
	if err != nil {
		return failure(ctx, r.operation, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostBody))
	if err != nil {
		return failure(ctx, r.operation, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return refused(r.operation, answer, body, time.Now())
	}
	if r.location != nil {
		*r.location = answer.Header.Get("Location")
	}
	if into == nil {
		return nil
	}
	return decode(r.operation, body, into)
}

func (r request) build(ctx context.Context) (*http.Request, error) {
	var body io.Reader
	kind := ""
	switch {
	case r.form != nil:
		body, kind = strings.NewReader(r.form.Encode()), "application/x-www-form-urlencoded"
	case r.body != nil:
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body, kind = bytes.NewReader(text), "application/json"
	}
	ask, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, err
	}
	ask.Header.Set("Accept", "application/json")
	ask.Header.Set("User-Agent", "rollcall")
	if kind != "" {
		ask.Header.Set("Content-Type", kind)
	}
	if r.user != "" {
		ask.SetBasicAuth(r.user, r.password)
	}
	if r.token != "" {
		ask.Header.Set("Authorization", "bearer "+r.token)
	}
	return ask, nil
}

// decode reads an answer, which must be an object.
func decode(operation string, body []byte, into any) error {
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' {
		return unreadable(operation, "object")
	}
	if json.Unmarshal(body, into) != nil {
		return unreadable(operation, "object")
	}
	return nil
}

// page is one page of any list. A list without its resources, or without the
// links to others, is no empty list.
type page[T any] struct {
	Pagination *resource.Pagination   `json:"pagination"`
	Resources  *[]T                   `json:"resources"`
	Included   *resource.RoleIncluded `json:"included"`
}

// pages are the pages of a list that were read so far.
type pages[T any] struct {
	all      []T
	included resource.RoleIncluded
	total    int             // what the first page tells
	seen     map[string]bool // ids of entries
	asked    map[string]bool // parameters of pages
}

// list reads all pages of a list.
func list[T any](ctx context.Context, a *api, kind string, query url.Values, id func(T) string) ([]T, resource.RoleIncluded, error) {
	operation := "GET /v3/" + kind
	query.Set("per_page", perPage)
	read := pages[T]{total: -1, seen: map[string]bool{}, asked: map[string]bool{}}
	for {
		read.asked[query.Encode()] = true
		part, err := readPage[T](ctx, a, operation, kind, query)
		if err == nil {
			err = read.add(operation, part, id)
		}
		if err != nil {
			return nil, resource.RoleIncluded{}, err
		}
		if part.Pagination.Next.Href == "" {
			return read.all, read.included, nil
		}
		// Only the query is taken: the address may be one that is seen from inside.
		next, err := url.Parse(part.Pagination.Next.Href)
		if err != nil || read.asked[next.Query().Encode()] {
			return nil, resource.RoleIncluded{}, unreadable(operation, "next page")
		}
		query = next.Query()
	}
}

// add adds a page. Entries that come or go while a list is read move others from
// one page to another: then it is no answer.
func (p *pages[T]) add(operation string, part page[T], id func(T) string) error {
	for _, entry := range *part.Resources {
		if p.seen[id(entry)] = true; id(entry) == "" {
			return unreadable(operation, "id")
		}
	}
	p.all = append(p.all, *part.Resources...)
	if part.Included != nil {
		p.included.Users = append(p.included.Users, part.Included.Users...)
		p.included.Spaces = append(p.included.Spaces, part.Included.Spaces...)
	}
	if p.total < 0 {
		p.total = part.Pagination.TotalResults
	}
	last := part.Pagination.Next.Href == ""
	if p.total != part.Pagination.TotalResults || last && (len(p.seen) != p.total || len(p.all) != p.total) {
		return fmt.Errorf("cloudfoundry: %s: %w: the pages do not have the %d entries that they tell of",
			operation, fault.ErrTruncated, p.total)
	}
	return nil
}

// readPage reads one page.
func readPage[T any](ctx context.Context, a *api, operation, kind string, query url.Values) (page[T], error) {
	var part page[T]
	ask := request{operation: operation, method: http.MethodGet, url: a.base + "/v3/" + kind + "?" + query.Encode()}
	if err := a.call(ctx, ask, &part); err != nil {
		return part, err
	}
	if part.Pagination == nil || part.Resources == nil {
		return part, unreadable(operation, "page")
	}
	return part, nil
}
