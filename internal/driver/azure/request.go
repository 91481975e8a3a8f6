package azure

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// jsonType is the media type of all bodies.
const jsonType = "application/json"

// request is one request to Microsoft Graph, under the name that errors call it.
// It can be sent alone or in a batch.
type request struct {
	operation string
	method    string
	// path is below the base, escaped, with the query.
	path string
	// headers are in lower case, as the SDK of Microsoft writes them in a batch.
	headers map[string]string
	// body is encoded as JSON; nil means none.
	body any
}

// newRequest returns a request. The operation begins with its method.
func newRequest(operation, path string, body any) request {
	method, _, _ := strings.Cut(operation, " ")
	r := request{operation: operation, method: method, path: path, headers: map[string]string{"accept": jsonType}, body: body}
	if body != nil {
		r.headers["content-type"] = jsonType
	}
	return r
}

// toHTTP returns the request as net/http sends it. The error does not quote the
// request, which may name users.
func (r request) toHTTP(ctx context.Context, base string) (*http.Request, error) {
	invalid := fmt.Errorf("azure: %s: %w: the request cannot be built", r.operation, fault.ErrInvalid)
	var body io.Reader
	if r.body != nil {
		text, err := encode(r.body)
		if err != nil {
			return nil, invalid
		}
		body = bytes.NewReader(text)
	}
	made, err := http.NewRequestWithContext(ctx, r.method, base+r.path, body)
	if err != nil {
		return nil, invalid
	}
	for name, value := range r.headers {
		made.Header.Set(name, value)
	}
	return made, nil
}

// encode returns the value as JSON. It leaves "&" as it is: the addresses in a
// batch are full of it.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// query holds the OData parameters of a read; empty ones are left out
// (https://learn.microsoft.com/graph/query-parameters).
type query struct {
	expand string
	filter string
	// fields are the names of properties, with commas between them.
	fields string
	// top is the size of a page.
	top int
	// count asks how many there are, which makes a query with the header
	// ConsistencyLevel an advanced one.
	count bool
}

// String returns the query with its question mark.
func (q query) String() string {
	var parameters []string
	if q.expand != "" {
		parameters = append(parameters, "$expand="+escape(q.expand))
	}
	if q.filter != "" {
		parameters = append(parameters, "$filter="+escape(q.filter))
	}
	parameters = append(parameters, "$select="+q.fields)
	if q.count {
		parameters = append(parameters, "$count=true")
	}
	if q.top > 0 {
		parameters = append(parameters, "$top="+strconv.Itoa(q.top))
	}
	return "?" + strings.Join(parameters, "&")
}

// escape returns a parameter's value for a query. A space becomes "%20": a "+" is
// a space in forms only. A "$" needs no escape, and Graph's own pages show none.
func escape(value string) string {
	return strings.NewReplacer("+", "%20", "%24", "$").Replace(url.QueryEscape(value))
}

// quoted returns a text for a filter.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// among returns filters for the values of a property, each for as many values as
// one filter may name.
func among(property string, values []string) []string {
	var filters []string
	for from := 0; from < len(values); from += inFilter {
		part := values[from:min(from+inFilter, len(values))]
		texts := make([]string, len(part))
		for i, value := range part {
			texts[i] = quoted(value)
		}
		filters = append(filters, property+" in ("+strings.Join(texts, ",")+")")
	}
	return filters
}

// anyFilters returns filters for one of the values of a property that has several, each for as
// many values as one filter may name.
func anyFilters(property string, values []string) []string {
	var filters []string
	for part := range slices.Chunk(values, inFilter) {
		texts := make([]string, len(part))
		for i, value := range part {
			texts[i] = property + "/any(v:v eq " + quoted(value) + ")"
		}
		filters = append(filters, strings.Join(texts, " or "))
	}
	return filters
}

// batched is a request in a batch
// (https://learn.microsoft.com/graph/json-batching).
type batched struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      any               `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// newBatch returns a request that holds the requests under the ids of their
// places, see batchID.
func newBatch(requests []request) request {
	steps, writes := make([]batched, len(requests)), false
	for i, r := range requests {
		steps[i] = batched{
			ID: batchID(i), Method: r.method, URL: r.path, Headers: r.headers, Body: r.body, DependsOn: []string{},
		}
		writes = writes || r.method != http.MethodGet
	}
	whole := request{
		operation: "POST /$batch", method: http.MethodPost, path: "/$batch", headers: map[string]string{"content-type": jsonType},
		body: map[string][]batched{"requests": steps},
	}
	if writes {
		whole.headers["prefer"] = "return=minimal" // a counter of calls can tell that the batch writes
	}
	return whole
}

// batchID returns the id of the request at a place in a batch.
func batchID(place int) string { return strconv.Itoa(place + 1) }
