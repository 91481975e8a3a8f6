package azure

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// batchSize is how many requests one $batch holds, and inFilter how many values
// one "in" (https://learn.microsoft.com/graph/json-batching,
// https://learn.microsoft.com/graph/filter-query-parameter).
const (
	batchSize = 20
	inFilter  = 15
)

// largest is the most bytes that an answer may have.
const largest = 64 << 20

// graph makes calls to Microsoft Graph. It uses no SDK: the models of Microsoft's
// cannot tell a list that is missing from an empty one, take minutes to compile and
// were a third of the worker's binary.
type graph struct {
	client *http.Client // signs in
	base   string       // ends in /v1.0
}

func newGraph(endpoint string, client *http.Client) *graph {
	return &graph{client: client, base: endpoint + "/v1.0"}
}

// answer is what came back for one request.
type answer struct {
	operation string
	status    int
	header    http.Header
	body      []byte
}

// err returns nil for an answer of success, else its class.
func (a answer) err() error {
	switch {
	case a.status >= http.StatusOK && a.status < http.StatusMultipleChoices:
		return nil
	case a.status < http.StatusBadRequest:
		return unreadable(a.operation, "status")
	}
	return refusal(a.operation, a.refused())
}

// refused returns the refusal that the answer is.
func (a answer) refused() fault.Answer {
	return fault.Answer{Status: a.status, Code: a.code(), Message: string(a.body), After: calls.RetryAfter(a.header, time.Now())}
}

// code returns Graph's name for an error, or "".
func (a answer) code() string {
	var body struct {
		Error struct {
			Code any `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(a.body, &body) != nil {
		return ""
	}
	code, _ := body.Error.Code.(string)
	return code
}

// says reports whether Graph's explanation of an error holds the words. It is
// looked at where one code stands for several reasons, and never shown.
func (a answer) says(words string) bool {
	return strings.Contains(strings.ToLower(string(a.body)), strings.ToLower(words))
}

// send makes one call. An answer that refuses is no error here.
func (g *graph) send(ctx context.Context, r request) (answer, error) {
	made, err := r.toHTTP(calls.WithDeadline(ctx, r.operation, calls.Default()), g.base)
	if err != nil {
		return answer{}, err
	}
	response, err := g.client.Do(made)
	if err != nil {
		return answer{}, failure(ctx, r.operation, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, largest))
	if err != nil {
		return answer{}, failure(ctx, r.operation, err)
	}
	return answer{operation: r.operation, status: response.StatusCode, header: response.Header, body: body}, nil
}

// do makes one call that must succeed.
func (g *graph) do(ctx context.Context, r request) (answer, error) {
	got, err := g.send(ctx, r)
	if err != nil {
		return answer{}, err
	}
	return got, got.err()
}

// all sends the requests, in as few calls as Graph allows, and returns the answers
// in their order. Only a call that fails as a whole is an error.
func (g *graph) all(ctx context.Context, requests []request) ([]answer, error) {
	answers := make([]answer, len(requests))
	var batches []int // where each begins
	for i := 0; i < len(requests); i += batchSize {
		batches = append(batches, i)
	}
	err := each(ctx, batches, func(ctx context.Context, _, from int) error {
		part := requests[from:min(from+batchSize, len(requests))]
		got, err := g.batch(ctx, part)
		copy(answers[from:], got)
		return err
	})
	return answers, err
}

// batch sends up to 20 requests in one call. One alone goes as it is.
func (g *graph) batch(ctx context.Context, requests []request) ([]answer, error) {
	if len(requests) == 1 {
		got, err := g.send(ctx, requests[0])
		return []answer{got}, err
	}
	got, err := g.do(ctx, newBatch(requests))
	if err != nil {
		return nil, err
	}
	var body struct {
		Responses []struct {
			ID      string            `json:"id"`
			Status  int               `json:"status"`
			Headers map[string]string `json:"headers"`
			Body    json.RawMessage   `json:"body"`
		} `json:"responses"`
	}
	if json.Unmarshal(got.body, &body) != nil {
		return nil, unreadable(got.operation, "responses")
	}
	byID := map[string]answer{}
	for _, one := range body.Responses {
		header := http.Header{}
		for name, value := range one.Headers {
			header.Set(name, value)
		}
		byID[one.ID] = answer{status: one.Status, header: header, body: one.Body}
	}
	answers := make([]answer, len(requests))
	for i := range requests {
		one, there := byID[batchID(i)]
		if !there {
			return nil, unreadable(got.operation, "responses")
		}
		one.operation = requests[i].operation
		answers[i] = one
	}
	return answers, nil
}

// page is one page of a list.
type page[T any] struct {
	Value *[]T   `json:"value"`
	Next  string `json:"@odata.nextLink"`
}

// pages reads the whole lists that the requests ask for, in as few calls as Graph
// allows: all of each, or an error. accept says which refusals are no error; such
// a list is nil.
func pages[T any](ctx context.Context, g *graph, requests []request, accept func(answer) bool) ([][]T, error) {
	r := reading[T]{graph: g, accept: accept, lists: make([][]T, len(requests)), seen: map[string]bool{}}
	places := make([]int, len(requests))
	for i := range places {
		places[i] = i
	}
	var err error
	for len(requests) > 0 && err == nil {
		requests, places, err = r.turn(ctx, requests, places)
	}
	if err != nil {
		return nil, err
	}
	return r.lists, nil
}

// reading is lists on their way.
type reading[T any] struct {
	graph  *graph
	accept func(answer) bool
	lists  [][]T
	seen   map[string]bool // links: one that comes again would never end
}

// turn reads one page of each list, and returns the requests for the pages after
// it with the places of their lists.
func (r *reading[T]) turn(ctx context.Context, requests []request, places []int) (next []request, nextPlaces []int, err error) {
	answers, err := r.graph.all(ctx, requests)
	if err != nil {
		return nil, nil, err
	}
	for i, got := range answers {
		list := &r.lists[places[i]]
		if r.accept != nil && r.accept(got) {
			*list = nil
			continue
		}
		rows, link, err := onePage[T](got)
		if err != nil {
			return nil, nil, err
		}
		if *list = append(*list, rows...); *list == nil {
			*list = []T{} // an empty list is not nil
		}
		if link == "" {
			continue
		}
		more, err := r.graph.follow(requests[i], link)
		if err != nil || r.seen[link] {
			return nil, nil, unreadable(got.operation, "@odata.nextLink")
		}
		r.seen[link] = true
		next, nextPlaces = append(next, more), append(nextPlaces, places[i])
	}
	return next, nextPlaces, nil
}

// onePage reads one page, and the link to the next if there is one.
func onePage[T any](got answer) (rows []T, link string, err error) {
	if err := got.err(); err != nil {
		return nil, "", err
	}
	var p page[T]
	if err := decode(got, &p, func() bool { return p.Value != nil }); err != nil {
		return nil, "", err
	}
	return *p.Value, p.Next, nil
}

// follow asks for the next page, which is at the same API and needs the same headers.
func (g *graph) follow(of request, link string) (request, error) {
	if _, err := url.Parse(link); err != nil || !strings.HasPrefix(link, g.base+"/") {
		return request{}, unreadable(of.operation, "@odata.nextLink")
	}
	next := newRequest(of.operation, strings.TrimPrefix(link, g.base), nil)
	next.headers = of.headers
	return next, nil
}

// decode reads an answer of success, which must be complete.
func decode(got answer, into any, complete func() bool) error {
	if json.Unmarshal(got.body, into) != nil || !complete() {
		return unreadable(got.operation, "value")
	}
	return nil
}

// isMissing accepts the answer that there is no such object.
func isMissing(got answer) bool { return got.status == http.StatusNotFound }
