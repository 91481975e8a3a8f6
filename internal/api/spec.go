package api

import (
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rollcall-iam/rollcall/internal/control"
)

// newSpec returns an OpenAPI 3.1 description without endpoints.
func newSpec(version string) *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Rollcall", Version: version,
			Description: "Keep access right on every cloud. Each endpoint is called with POST and takes one JSON object.",
		},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
			SecuritySchemes: map[string]*huma.SecurityScheme{"token": {
				Type: "http", Scheme: "bearer", BearerFormat: "JWT",
				Description: "An access token of an OpenID provider, or of a workload's own platform.",
			}},
		},
		Security: []map[string][]string{{"token": {}}},
	}
}

// schemaName names the schema of a type: with its package, unless that is one of the service.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	elem := t
	for elem.Kind() == reflect.Pointer || elem.Kind() == reflect.Slice {
		elem = elem.Elem()
	}
	switch from := path.Base(elem.PkgPath()); from {
	case "api", "control", ".", name:
		return name
	default:
		return strings.ToUpper(from[:1]) + from[1:] + name
	}
}

// describe adds an endpoint to the description, by the types of its request and its result.
func describe[In, Out any](spec *huma.OpenAPI, e endpoint[In, Out]) {
	schema := func(t reflect.Type) *huma.Schema { return spec.Components.Schemas.Schema(t, true, "") }
	resource, _, _ := strings.Cut(e.name, "/")
	content := map[string]*huma.MediaType{"application/json": {Schema: schema(reflect.TypeFor[Out]())}}
	description := ""
	if e.streams {
		content[streamType] = &huma.MediaType{Schema: schema(reflect.TypeFor[line]())}
		description = "With Accept: " + streamType + " the response has a JSON line for each event, and one with the result at last."
	}
	problem := map[string]*huma.MediaType{"application/problem+json": {Schema: schema(reflect.TypeFor[Problem]())}}
	responses := map[string]*huma.Response{"200": {Description: "The result", Content: content, Headers: answerHeaders(e)}}
	for _, status := range statuses(e) {
		responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status), Content: problem,
			Headers: map[string]*huma.Param{requestIDHeader: textHeader("Names the request in logs.")},
		}
	}
	spec.AddOperation(&huma.Operation{
		OperationID: strings.ReplaceAll(e.name, "/", "-"), Method: "POST", Path: "/v1/" + e.name,
		Tags: []string{resource}, Summary: e.summary, Description: description, Parameters: parameters(e),
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: schema(reflect.TypeFor[In]())},
		}},
		Responses: responses,
	})
}

// statuses returns those of the failures of an endpoint.
func statuses[In, Out any](e endpoint[In, Out]) []int {
	var all []int
	for _, code := range control.Codes() {
		switch status := code.HTTPStatus(); {
		case code == control.PreconditionFailed && !e.conditional && !e.documents,
			code == control.KeyReused && !e.keyed, code == control.PendingApproval && !e.streams,
			code == control.Expired && !isPaged(reflect.TypeFor[In]()):
		default:
			all = append(all, status)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// isPaged reports whether a request has the members of PageRequest.
func isPaged(t reflect.Type) bool {
	_, paged := t.FieldByName("PageToken")
	return paged
}

// parameters returns the headers that an endpoint reads.
func parameters[In, Out any](e endpoint[In, Out]) []*huma.Param {
	header := func(name, text string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: text, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	all := []*huma.Param{header(requestIDHeader, "Names the request in logs: 8 to 64 letters, digits, dots, dashes and underscores.")}
	if e.conditional {
		all = append(all, header("If-Match", "The ETag of the state that the change is for, a list of them, or *."))
	}
	if e.keyed {
		all = append(all, header(keyHeader, "A repeated request with the same key gets the first answer, for 24 hours."))
	}
	return all
}

// answerHeaders returns the headers of a result.
func answerHeaders[In, Out any](e endpoint[In, Out]) map[string]*huma.Param {
	all := map[string]*huma.Param{requestIDHeader: textHeader("Names the request in logs.")}
	if e.tagged {
		all["ETag"] = textHeader("Names the state that the answer shows.")
	}
	if e.keyed {
		all["Idempotency-Replayed"] = textHeader("Is true for the answer of an earlier request with the same key.")
	}
	return all
}

func textHeader(text string) *huma.Param {
	return &huma.Param{Description: text, Schema: &huma.Schema{Type: huma.TypeString}}
}
