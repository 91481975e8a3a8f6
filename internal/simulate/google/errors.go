package google

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// failure is an error as Google's APIs answer it.
type failure struct {
	status  int
	code    string // of gRPC, as "NOT_FOUND"
	reason  string // in the older list of errors
	message string
	details []any
	domain  string // of the older list of errors; global where it is empty
}

func (f *failure) Error() string { return f.message }

// grpc is each code of gRPC with its HTTP status, its number, and what the older
// list of errors calls it.
type grpc struct {
	status, number int
	reason         string
}

func codes() map[string]grpc {
	return map[string]grpc{
		"INVALID_ARGUMENT":    {http.StatusBadRequest, 3, "badRequest"},
		"FAILED_PRECONDITION": {http.StatusBadRequest, 9, "failedPrecondition"},
		"UNAUTHENTICATED":     {http.StatusUnauthorized, 16, "authError"},
		"PERMISSION_DENIED":   {http.StatusForbidden, 7, "forbidden"},
		"NOT_FOUND":           {http.StatusNotFound, 5, "notFound"},
		"ABORTED":             {http.StatusConflict, 10, "aborted"},
		"ALREADY_EXISTS":      {http.StatusConflict, 6, "alreadyExists"},
		"RESOURCE_EXHAUSTED":  {http.StatusTooManyRequests, 8, "rateLimitExceeded"},
		"INTERNAL":            {http.StatusInternalServerError, 13, "backendError"},
		"UNAVAILABLE":         {http.StatusServiceUnavailable, 14, "backendError"},
		"DEADLINE_EXCEEDED":   {http.StatusGatewayTimeout, 4, "backendError"},
	}
}

// refusal is a failure with that code.
func refusal(code, format string, values ...any) *failure {
	known := codes()[code]
	return &failure{status: known.status, code: code, reason: known.reason, message: fmt.Sprintf(format, values...)}
}

// with adds a detail.
func (f *failure) with(detail any) *failure {
	f.details = append(f.details, detail)
	return f
}

func errorInfo(reason, service string) map[string]any {
	return map[string]any{
		"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
		"metadata": map[string]string{"service": service + ".googleapis.com"},
	}
}

// hidden is what Cloud Identity says of what does not exist, and of what the
// caller may not see.
func hidden(resource, sort string) *failure {
	f := refusal("PERMISSION_DENIED", "Error(2028): Permission denied for resource %s (or it may not exist).", resource)
	return f.with(map[string]any{
		"@type": "type.googleapis.com/google.rpc.ResourceInfo", "owner": "domain:cloudidentity.googleapis.com",
		"resourceType": "cloudidentity.googleapis.com/" + sort, "resourceName": resource, "description": f.message,
	})
}

// exhausted is the answer to one call too many.
func exhausted(to route) *failure {
	if to.quota == "directory" {
		return &failure{
			status: http.StatusForbidden, reason: "quotaExceeded", domain: "usageLimits",
			message: "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'",
		}
	}
	return refusal("RESOURCE_EXHAUSTED",
		"Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service '%s.googleapis.com'.",
		service(to)).with(errorInfo("RATE_LIMIT_EXCEEDED", service(to)))
}

// service is the API's name, the first part of its methods' ids.
func service(to route) string {
	for i, r := range to.id {
		if r == '.' {
			return to.id[:i]
		}
	}
	return to.id
}

// writeError answers in the form of the API: the Directory API has neither code
// words nor details.
func writeError(w http.ResponseWriter, to route, err error) {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = refusal("INTERNAL", "Internal error encountered: %v", err)
	}
	domain := f.domain
	if domain == "" {
		domain = "global"
	}
	body := map[string]any{
		"code": f.status, "message": f.message,
		"errors": []any{map[string]any{"message": f.message, "domain": domain, "reason": f.reason}},
	}
	if to.quota != "directory" {
		body["status"] = f.code
		if len(f.details) > 0 {
			body["details"] = f.details
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	simulate.JSON(w, f.status, map[string]any{"error": body})
}

// refuser answers faults in the form of the API.
func refuser(to route) simulate.Refuse {
	return func(w http.ResponseWriter, injected simulate.Fault) {
		status, code := injected.Status, injected.Code
		f := &failure{
			status: status, code: code, reason: "backendError", message: injected.Words("The service refused the request on demand."),
		}
		for _, name := range slices.Sorted(keys(codes())) {
			known := codes()[name]
			if code == "" && known.status == status || code == name {
				f.code, f.reason = name, known.reason
			}
		}
		writeError(w, to, f)
	}
}
