// Package api is the HTTP interface of package control: a Server that gives callers a
// control.Service, and a Client that is one.
//
// Each method is an endpoint: POST /v1/<resource>/<verb> with the request as JSON. Names of
// users stand in bodies only, never in addresses, which proxies log. The answer is the
// result as JSON, or for a caller that accepts application/x-ndjson and a method that
// reports events a line for each event and one for the result. Failures are problem details
// (RFC 9457) with the control.Error and the part of the result that there is. The table of
// endpoints is one for the server, the client and the OpenAPI description, GET /openapi.json.
package api
