package api

import (
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
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
	spec.AddOperation(&huma.Operation{
		OperationID: strings.ReplaceAll(e.name, "/", "-"), Method: "POST", Path: "/v1/" + e.name,
		Tags: []string{resource}, Summary: e.summary, Description: description,
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: schema(reflect.TypeFor[In]())},
		}},
		Responses: map[string]*huma.Response{
			"200":     {Description: "The result", Content: content},
			"default": {Description: "A failure", Content: problem},
		},
	})
}
