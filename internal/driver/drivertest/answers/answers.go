// Package answers has the refusals of vendors that several drivers speak to, in the form
// in which the vendors write them, for drivertest.Refusals.
package answers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
)

// text encodes an answer.
func text(value any) string {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	return string(body)
}

// microsoft is an error of Microsoft Graph or of Azure Resource Manager.
type microsoft struct {
	status     int
	code       string
	message    string
	retryAfter string
}

// fault returns the answer. Each request in a batch of Graph has its own
// (https://learn.microsoft.com/graph/json-batching).
func (m microsoft) fault(r *http.Request) faultproxy.Fault {
	body := map[string]any{"error": map[string]any{"code": m.code, "message": m.message}}
	header := map[string]string{"Content-Type": "application/json"}
	if m.retryAfter != "" {
		header["Retry-After"] = m.retryAfter
	}
	if strings.HasSuffix(r.URL.Path, "/$batch") {
		var responses []any
		for _, id := range batched(r) {
			responses = append(responses, map[string]any{"id": id, "status": m.status, "headers": header, "body": body})
		}
		return faultproxy.Fault{Status: http.StatusOK, Body: text(map[string]any{"responses": responses})}
	}
	f := faultproxy.Fault{Status: m.status, Header: http.Header{}, Body: text(body)}
	for name, value := range header {
		f.Header.Set(name, value)
	}
	return f
}

// batched returns the ids of the requests in a batch.
func batched(r *http.Request) []string {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var batch struct {
		Requests []struct {
			ID string `json:"id"`
		} `json:"requests"`
	}
	if err != nil || json.Unmarshal(body, &batch) != nil {
		return nil
	}
	var ids []string
	for _, one := range batch.Requests {
		ids = append(ids, one.ID)
	}
	return ids
}

// isARM reports whether the request goes to Azure Resource Manager.
func isARM(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.URL.Path), "/subscriptions/")
}

// Microsoft refuses a write for good: Graph for want of a permission, Azure Resource
// Manager at its limit of role assignments, or for a lock.
func Microsoft(r *http.Request) faultproxy.Fault {
	switch {
	case !isARM(r):
		return microsoft{
			status: http.StatusForbidden, code: "Authorization_RequestDenied",
			message: "Insufficient privileges to complete the operation.",
		}.fault(r)
	case r.Method == http.MethodDelete:
		return microsoft{
			status: http.StatusConflict, code: "ScopeLocked",
			message: "The scope cannot perform delete operation because following scope(s) are locked.",
		}.fault(r)
	default:
		return microsoft{
			status: http.StatusBadRequest, code: "RoleAssignmentLimitExceeded",
			message: "The number of role assignments has exceeded the limit of 4000.",
		}.fault(r)
	}
}

// MicrosoftThrottles refuses a write for now.
func MicrosoftThrottles(r *http.Request) faultproxy.Fault {
	if isARM(r) {
		return microsoft{
			status: http.StatusTooManyRequests, code: "SubscriptionRequestsThrottled", retryAfter: "17",
			message: "Number of requests exceeded the limit. Please try again after '17' seconds.",
		}.fault(r)
	}
	return microsoft{
		status: http.StatusTooManyRequests, code: "TooManyRequests", retryAfter: "10", message: "Too Many Requests",
	}.fault(r)
}

// Kubernetes refuses a write for good: an admission plugin or RBAC forbids it.
func Kubernetes(r *http.Request) faultproxy.Fault {
	return faultproxy.Fault{Status: http.StatusForbidden, Body: text(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "reason": "Forbidden",
		"message": r.URL.Path + " is forbidden: the request was denied by policy",
		"details": map[string]any{"name": r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]}, "code": http.StatusForbidden,
	})}
}

// KubernetesTimesOut refuses a write for now, as an API server whose etcd is busy.
func KubernetesTimesOut(*http.Request) faultproxy.Fault {
	return faultproxy.Fault{Status: http.StatusInternalServerError, Body: text(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"message": "etcdserver: request timed out", "code": http.StatusInternalServerError,
	})}
}
