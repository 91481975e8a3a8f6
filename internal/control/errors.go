package control

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Code is the class of a failure.
type Code string

// The codes.
const (
	// Invalid is the code of a wrong request: it fails again until the caller changes it.
	Invalid Code = "invalid"
	// NotFound is the code of a name that nothing is stored under.
	NotFound Code = "not-found"
	// Conflict is the code of a request about a state that has changed.
	Conflict Code = "conflict"
	// PreconditionFailed is the code of a request on the condition of a state that is another one.
	PreconditionFailed Code = "precondition-failed"
	// KeyReused is the code of a request with the idempotency key of another one.
	KeyReused Code = "key-reused"
	// Expired is the code of a page of a list that is not kept any more.
	Expired Code = "expired"
	// Unauthenticated is the code of a caller without a valid credential, and Forbidden that of
	// one who may not do what the request says.
	Unauthenticated Code = "unauthenticated"
	Forbidden       Code = "forbidden"
	// Unconfirmed is the code of a change that removes documents without a confirmation.
	Unconfirmed Code = "unconfirmed"
	// PendingApproval is the code of work that waits for an approval.
	PendingApproval Code = "pending-approval"
	// NoWorker is the code of work that no worker takes.
	NoWorker Code = "no-worker"
	// NoKeyring is the code of results that the key ring at hand does not decrypt, or that are not
	// encrypted though there is one.
	NoKeyring Code = "no-keyring"
	// Unavailable is the code of a database or a Temporal server that does not answer.
	Unavailable Code = "unavailable"
	// Partial is the code of work that failed for some tenants or platforms.
	Partial Code = "partial"
	// Failed is the code of every other failure.
	Failed Code = "failed"
)

// Codes returns all codes.
func Codes() []Code {
	return []Code{
		Invalid, Unauthenticated, Forbidden, NotFound, Conflict, PreconditionFailed, KeyReused, Expired, Unconfirmed,
		PendingApproval, NoWorker, NoKeyring, Unavailable, Partial, Failed,
	}
}

// The exit codes of commands, which scripts depend on.
const (
	ExitDone    = 0 // done; warnings are allowed
	ExitFailed  = 1
	ExitInvalid = 2 // the input, or the command line
	ExitWaiting = 3 // a removal waits for an approval
	ExitChanges = 4 // plan --exit-code found changes
)

// results is the table of exit codes and HTTP statuses.
func (c Code) results() (exit, status int) {
	switch c {
	case Invalid:
		return ExitInvalid, http.StatusBadRequest
	case Unauthenticated:
		return ExitInvalid, http.StatusUnauthorized
	case Forbidden:
		return ExitInvalid, http.StatusForbidden
	case NotFound:
		return ExitInvalid, http.StatusNotFound
	case Conflict, Unconfirmed:
		return ExitInvalid, http.StatusConflict
	case PreconditionFailed:
		return ExitInvalid, http.StatusPreconditionFailed
	case KeyReused:
		return ExitInvalid, http.StatusUnprocessableEntity
	case Expired:
		return ExitInvalid, http.StatusGone
	case PendingApproval:
		return ExitWaiting, http.StatusAccepted
	case NoWorker, NoKeyring, Unavailable:
		return ExitFailed, http.StatusServiceUnavailable
	case Partial:
		return ExitFailed, http.StatusBadGateway
	case Failed:
		return ExitFailed, http.StatusInternalServerError
	}
	return ExitFailed, http.StatusInternalServerError
}

// ExitCode returns the exit code of a command that fails with the code.
func (c Code) ExitCode() int {
	exit, _ := c.results()
	return exit
}

// HTTPStatus returns the status of a response that fails with the code.
func (c Code) HTTPStatus() int {
	_, status := c.results()
	return status
}

// Error is a failure that a caller can act on.
type Error struct {
	Code Code `json:"code"`
	// Kind and Name say what the failure is about: a kind of document, "tenant", "user" or
	// "platform", and its name. They are empty where it is about the request.
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
	// Field is the field of the request that is wrong, by its name in JSON.
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
	// Problems are those of documents.
	Problems document.Problems `json:"problems,omitempty"`
	// Idle is set for runs that no worker takes.
	Idle *Idle `json:"idle,omitempty"`

	cause error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause in this process; nil for an error that came over a network.
func (e *Error) Unwrap() error { return e.cause }

// AsError returns err as an Error: itself, or one of the code that its cause has. It returns
// nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	e := &Error{Code: Failed, Message: err.Error(), cause: err}
	switch problems, invalid := errors.AsType[document.Problems](err); {
	case invalid:
		e.Code, e.Problems = Invalid, problems
	case errors.Is(err, document.ErrInvalid):
		e.Code = Invalid
	case errors.Is(err, store.ErrUnreachable), errors.Is(err, engine.ErrUnreachable):
		e.Code = Unavailable
	}
	return e
}

// CodeOf returns the code of err, and an empty one for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}

// invalidField returns the error of a request whose field is wrong.
func invalidField(field, format string, args ...any) error {
	return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// notFound returns the error of a name that nothing is stored under.
func notFound(kind, name string) error {
	return &Error{Code: NotFound, Kind: kind, Name: name, Message: fmt.Sprintf("there is no %s %q", kind, name)}
}
