package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/rollcall-iam/rollcall/internal/control"
)

// Problem is a failure as problem details (RFC 9457).
type Problem struct {
	// Type is urn:rollcall:error:<code>.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// RequestID is that of the response's header, by which the server's log is searched.
	RequestID string `json:"request_id"`
	// Error is the failure, for programs.
	Error *control.Error `json:"error"`
	// Result is the part of the result that there is: the change that is not confirmed, as one
	// example.
	Result json.RawMessage `json:"result,omitempty"`
}

const problemType = "urn:rollcall:error:"

func newProblem(e *control.Error, requestID string) *Problem {
	status := e.Code.HTTPStatus()
	if e.Field == "digest" && (e.Code == control.Conflict || e.Code == control.Unconfirmed) {
		status = http.StatusPreconditionFailed // a digest in the body is the condition that If-Match is
	}
	return &Problem{
		Type: problemType + string(e.Code), Title: http.StatusText(status), Status: status,
		Detail: e.Message, RequestID: requestID, Error: e,
	}
}

// reported returns the failure that a caller may see: the cause of one that has no code of its
// own stands in the server's log, as it may name what the caller may not know.
func reported(err error, requestID string) (e *control.Error, hidden bool) {
	e = control.AsError(err)
	switch {
	case errors.Is(err, e), e.Code != control.Failed && e.Code != control.Unavailable:
		return e, false
	case e.Code == control.Unavailable:
		return &control.Error{Code: e.Code, Message: "the database or Temporal does not answer the server: its log has the cause " +
			"under the request " + requestID}, true
	}
	return &control.Error{Code: control.Failed, Message: "the server failed: its log has the cause under the request " + requestID}, true
}

// asError returns the failure that a server reported, as the service in process does.
func (p *Problem) asError() error {
	if p.Error == nil || p.Error.Code == "" {
		return &control.Error{Code: control.Failed, Message: p.Detail}
	}
	e := p.Error
	if e.Code == control.Invalid && len(e.Problems) > 0 && e.Field == "" {
		return e.Problems
	}
	return e
}
