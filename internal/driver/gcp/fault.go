package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// What an answer says beyond its class.
var (
	// errHidden: what does not exist, or what we may not see.
	errHidden = errors.New("hidden or missing")
	// errExists: what was to be made is there.
	errExists = errors.New("exists already")
	// errUnknownMember: a policy names a member that IAM does not know.
	errUnknownMember = errors.New("a member of the policy is unknown to IAM")
	// errOtherCustomer: the policy names a member that an organization policy does not
	// permit. IAM says so of groups that it does not know yet, too.
	errOtherCustomer = fmt.Errorf("%w, or of a customer that is not permitted", errUnknownMember)
)

// Parts of Google's messages that say more than the code beside them.
const (
	messageOtherCustomer = "permitted customer"
	messageUnknownMember = "does not exist"
	messageHidden        = "or it may not exist"
)

// unknownFor is how long IAM may not know a new group: Google names minutes for most
// changes (IAM, Access change propagation).
const unknownFor = 30 * time.Minute

// refusals is the table of what Google refuses and why.
func refusals() fault.Refusals {
	return slices.Concat(refusedPolicies(), refusedCallers(), refusedCodes(), refusedStatuses())
}

// refusedPolicies are policies that IAM does not take. One that names a new group is
// transient: driver.blame finds out whether there is one.
func refusedPolicies() fault.Refusals {
	const quotas, roles, domains = "IAM, Quotas and limits", "IAM, Roles and permissions",
		"Organization Policy, Restrict identities by domain"
	row := func(message, source, advice string) fault.Refusal {
		return fault.Refusal{Status: http.StatusBadRequest, Message: message, Class: fault.ErrInvalid, Source: source, Advice: advice}
	}
	return fault.Refusals{
		row("in the resource's hierarchy", roles, "there is no such custom role in the project or above: correct the role mapping"),
		{
			Status: http.StatusBadRequest, Message: messageOtherCustomer, Class: fault.ErrUnavailable, MaxAge: unknownFor,
			Until: "IAM knows the new group", Source: domains,
			Advice: "permit the customer of the groups in the organization policy iam.allowedPolicyMemberDomains",
		},
		{
			Status: http.StatusBadRequest, Message: messageUnknownMember, Class: fault.ErrUnavailable, MaxAge: unknownFor,
			Expired: fault.ErrInvalid, Until: "IAM knows the new group", Source: "IAM, Troubleshoot allow policies",
			Advice: "the project's policy names a member that is deleted: remove it from the policy",
		},
		row("number of members", quotas,
			"the project's policy is full: Google allows 1,500 principals; grant roles to groups instead of users"),
		row("number of groups", quotas, "the project's policy is full: Google allows 250 groups; remove bindings that are not needed"),
		row("policy size", quotas, "the project's policy is too large: remove bindings that are not needed"),
		row("is not supported for this resource", roles, "the role cannot be granted on a project: correct the role mapping"),
		row("Role ", roles, "Google does not know the role, or not for projects: correct the role mapping"),
	}
}

// refusedCallers are refusals of the caller, whatever it asks for.
func refusedCallers() fault.Refusals {
	return fault.Refusals{
		{
			Codes:  []string{"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"},
			Status: http.StatusForbidden, Class: fault.ErrThrottled, Until: "the rate is below the quota",
			Source: "Directory API, Limits and quotas",
		},
		{
			Codes: []string{"accessNotConfigured", rpc("service disabled")}, Class: fault.ErrDenied,
			Source: "Service Usage, Enable and disable services",
			Advice: "enable the API in the project of the connection's service account",
		},
		{
			Status: http.StatusForbidden, Message: messageHidden, Class: fault.ErrDenied, Source: "Cloud Identity, Error messages",
			Advice: "make the connection's service account an administrator of groups, and check that the object exists",
		},
	}
}

// refusedCodes are the codes of gRPC, which operations end with, too.
func refusedCodes() fault.Refusals {
	const source, again = "Google APIs, google.rpc.Code", "the service works again"
	return fault.Refusals{
		{
			Codes: []string{rpc("invalid argument"), rpc("out of range")}, Class: fault.ErrInvalid, Source: source,
			Advice: "Google does not accept a value of the request: correct the role mapping or the group name pattern",
		},
		{
			Codes: []string{rpc("failed precondition")}, Class: fault.ErrInvalid, Source: source,
			Advice: "the state of the object forbids it: check the organization policies of the project",
		},
		{
			Codes: []string{rpc("permission denied")}, Class: fault.ErrDenied, Source: source,
			Advice: "give the connection's service account the role that the object needs: see the permissions of the platform",
		},
		{
			Codes: []string{"UNAUTHENTICATED"}, Class: fault.ErrDenied, Source: source,
			Advice: "renew the credentials of the connection",
		},
		{Codes: []string{"UNIMPLEMENTED"}, Class: fault.ErrUnsupported, Source: source, Advice: "correct the endpoint of the connection"},
		{Codes: []string{rpc("not found")}, Class: fault.ErrNotFound, Source: source},
		{Codes: []string{codeExists, "ABORTED"}, Class: fault.ErrConflict, Source: source},
		{Codes: []string{rpc("resource exhausted")}, Class: fault.ErrThrottled, Until: "the rate is below the quota", Source: source},
		{Codes: []string{"INTERNAL", "UNAVAILABLE", rpc("deadline exceeded")}, Class: fault.ErrUnavailable, Until: again, Source: source},
	}
}

// codeExists is the code for what is there already.
const codeExists = "ALREADY_EXISTS"

// refusedStatuses are answers without a code: those of older APIs, and of proxies.
func refusedStatuses() fault.Refusals {
	const source = "RFC 9110, Status Codes"
	var rows fault.Refusals
	add := func(class error, until string, statuses ...int) {
		for _, status := range statuses {
			rows = append(rows, fault.Refusal{Status: status, Class: class, Until: until, Source: source})
		}
	}
	add(fault.ErrInvalid, "", http.StatusBadRequest)
	add(fault.ErrDenied, "", http.StatusUnauthorized, http.StatusForbidden)
	add(fault.ErrNotFound, "", http.StatusNotFound)
	add(fault.ErrConflict, "", http.StatusConflict, http.StatusPreconditionFailed)
	add(fault.ErrThrottled, "the rate is below the quota", http.StatusTooManyRequests)
	add(fault.ErrUnavailable, "the service works again", http.StatusRequestTimeout, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
	return rows
}

// failure classifies the error of one call. The operation is a method's name
// without people in it; nothing else of the request and nothing of the answer's
// body gets into the text, because both may name people.
func failure(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("gcp: %s: %w", operation, ctx.Err())
	}
	if inside, ok := errors.AsType[classified](err); ok {
		return inside.error
	}
	if answer, ok := errors.AsType[*googleapi.Error](err); ok {
		return refused(operation, answer)
	}
	return fmt.Errorf("gcp: %s: %w: %s", operation, fault.ErrUnavailable, calls.Cause(err))
}

// refused classifies an answer by the table.
func refused(operation string, answer *googleapi.Error) error {
	row, a := rowOf(answer)
	return marked(row, a, answered(operation, a))
}

// answered is the text of a refusal: the status, the code and the numbers of a limit.
func answered(operation string, a fault.Answer) error {
	text := fmt.Errorf("gcp: %s: answered %d %s", operation, a.Status, http.StatusText(a.Status))
	if apiWord.MatchString(a.Code) {
		text = fmt.Errorf("%w (%s)", text, a.Code)
	}
	if m := overLimit.FindStringSubmatch(a.Message); m != nil {
		text = fmt.Errorf("%w: %s %s, Google allows %s", text, m[2], m[1], m[3])
	}
	return text
}

var (
	// apiWord is a code that can be shown: one word of an API.
	apiWord = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{0,63}$`)
	// overLimit is the part of a message that says by how much a policy is too large.
	overLimit = regexp.MustCompile(
		`number of (members|groups) in the policy \(([0-9,]+)\) is larger than the maximum allowed size ([0-9,]+[0-9])`)
)

// marked returns the text with the row's class, and what the driver asks about. What a new
// group may explain has the class for an old one: driver.blame knows the group.
func marked(row fault.Refusal, a fault.Answer, text error) error {
	err := row.At(2*unknownFor).Wrap(text, a.After)
	switch {
	case row.Message == messageOtherCustomer:
		return fmt.Errorf("%w (%w)", err, errOtherCustomer)
	case row.Message == messageUnknownMember:
		return fmt.Errorf("%w (%w)", err, errUnknownMember)
	case row.Message == messageHidden:
		return fmt.Errorf("%w (%w)", err, errHidden)
	case a.Code == codeExists:
		return fmt.Errorf("%w (%w)", err, errExists)
	default:
		return err
	}
}

// rowOf returns the row of an answer, with the code that the row is found by: Google says
// several things beside a status.
func rowOf(answer *googleapi.Error) (fault.Refusal, fault.Answer) {
	a := fault.Answer{Status: answer.Code, Message: answer.Message, After: calls.RetryAfter(answer.Header, time.Now())}
	codes := words(answer)
	for _, code := range codes {
		with := a
		with.Code = code
		row, known := refusals().Find(with)
		switch {
		case known && len(row.Codes) > 0:
			return row, with
		case known && row.Message != "":
			with.Code = codes[len(codes)-1] // the message decides, so that the plainest code will do
			return row, with
		}
	}
	row, known := refusals().Find(a)
	if !known {
		row = fault.Refusal{Class: fault.ErrUnknown}
	}
	return row, a
}

// words are the codes that an answer has beside its status: those of the older list of
// errors, then the one of gRPC, such as "ABORTED".
func words(answer *googleapi.Error) []string {
	var all []string
	for _, item := range answer.Errors {
		all = append(all, item.Reason)
	}
	var body struct {
		Error struct {
			Status  string `json:"status"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(answer.Body), &body) == nil {
		for _, detail := range body.Error.Details {
			all = append(all, detail.Reason)
		}
		all = append(all, body.Error.Status)
	}
	return slices.DeleteFunc(all, func(code string) bool { return code == "" })
}

// rpc returns a code as Google's APIs spell it.
func rpc(name string) string { return strings.ToUpper(strings.ReplaceAll(name, " ", "_")) }

// rpcCodes are the codes of gRPC, by number (google.rpc.Code).
func rpcCodes() []string {
	return []string{
		"ok", "cancelled", "unknown", "invalid argument", "deadline exceeded", "not found", "already exists", "permission denied",
		"resource exhausted", "failed precondition", "aborted", "out of range", "unimplemented", "internal", "unavailable", "data loss",
		"unauthenticated",
	}
}

// ended classifies the error with which an operation ended.
func ended(operation string, code int64) error {
	var a fault.Answer
	if names := rpcCodes(); code >= 0 && code < int64(len(names)) {
		a.Code = rpc(names[code])
	}
	row, known := refusals().Find(a)
	if !known {
		row = fault.Refusal{Class: fault.ErrUnknown}
	}
	return marked(row, a, fmt.Errorf("gcp: %s: the operation ended with code %d", operation, code))
}
