package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Audit shows the calls of servers.
type Audit interface {
	// ListCalls returns the chosen calls, the newest first. Commands that use the database
	// themselves are no calls.
	ListCalls(ctx context.Context, r CallsRequest) (CallsPage, error)
}

// The least and the most calls of a page.
const (
	defaultCalls = 100
	maxCalls     = 1000
)

// CallsRequest chooses calls. Zero fields choose all.
type CallsRequest struct {
	// Caller is the ID of an actor, such as user:https://login.example.com#ada.
	Caller string `json:"caller,omitempty"`
	// Method is the name of a method, such as Apply.
	Method string `json:"method,omitempty"`
	// Code is done or the code of a failure, such as forbidden.
	Code string `json:"code,omitempty"`
	// Since chooses calls that began then or later.
	Since time.Time `json:"since,omitzero"`
	// Before is the Next of the page before; 0 for the first one.
	Before int64 `json:"before,omitempty"`
	// Limit is how many calls a page has at most: 1 to 1,000, and 100 for 0.
	Limit int `json:"limit,omitempty"`
	// Refused adds the requests without a valid credential since that time, or of an hour.
	Refused bool `json:"refused,omitempty"`
}

// Validate reports a limit out of its range.
func (r CallsRequest) Validate() error {
	switch {
	case r.Limit < 0 || r.Limit > maxCalls:
		return invalidField("limit", "the limit is %d: write 1 to %d", r.Limit, maxCalls)
	case r.Before < 0:
		return invalidField("before", "the page is unknown: take next of the page before")
	}
	return nil
}

// CallsPage is a part of the calls.
type CallsPage struct {
	Calls []CallRecord `json:"calls"`
	// Next is Before of the next page; 0 on the last one.
	Next int64 `json:"next,omitempty"`
	// Refused counts requests without a valid credential.
	Refused []store.RefusedCalls `json:"refused,omitempty"`
}

// CallRecord is a call of a server.
type CallRecord struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Request string    `json:"request"`
	By      string    `json:"by"`
	Remote  string    `json:"remote"`
	Method  string    `json:"method"`
	// Parameters are the request without the bodies of documents.
	Parameters json.RawMessage `json:"parameters"`
	// Code is done, or the code of the failure; empty for a call that runs, or whose server ended.
	Code  string    `json:"code"`
	Ended time.Time `json:"ended,omitzero"`
	// Effect is what the call changed.
	Effect json.RawMessage `json:"effect,omitempty"`
}

// ListCalls is that of Audit.
func (l *Local) ListCalls(ctx context.Context, r CallsRequest) (CallsPage, error) {
	if err := r.Validate(); err != nil {
		return CallsPage{}, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return CallsPage{}, err
	}
	if r.Limit == 0 {
		r.Limit = defaultCalls
	}
	found, err := s.Calls(ctx, store.CallFilter{
		Before: r.Before, Limit: r.Limit + 1, Actor: r.Caller, Method: r.Method, Code: r.Code, Since: r.Since,
	})
	if err != nil {
		return CallsPage{}, err
	}
	page := CallsPage{Calls: []CallRecord{}}
	if len(found) > r.Limit {
		found = found[:r.Limit]
		page.Next = found[r.Limit-1].ID
	}
	for _, c := range found {
		page.Calls = append(page.Calls, CallRecord{
			ID: c.ID, At: c.At.UTC(), Request: c.Request, By: c.By.ID(), Remote: c.Remote, Method: c.Method,
			Parameters: c.Parameters, Code: c.Code, Ended: c.EndedAt.UTC(), Effect: c.Effect,
		})
	}
	if r.Refused {
		since := r.Since
		if since.IsZero() {
			since = l.Now().Add(-time.Hour)
		}
		page.Refused, err = s.RefusedCalls(ctx, since, maxCalls)
	}
	return page, err
}

// Call is what is recorded of a call before it is made.
type Call struct {
	Request, Remote, Method string
	By                      access.Actor
	// Parameters are the request without the bodies of documents, a JSON object.
	Parameters json.RawMessage
}

// CallDone is the code of a call that did not fail.
const CallDone = "done"

// Recorder records the calls of a server. The zero Recorder is not usable.
type Recorder struct {
	Store func(context.Context) (*store.Store, error)
}

// Begin records a call that begins, and returns its ID.
func (r Recorder) Begin(ctx context.Context, c Call) (int64, error) { return r.put(ctx, c, "") }

// Refuse records a call that was refused before it began.
func (r Recorder) Refuse(ctx context.Context, c Call, code Code) error {
	_, err := r.put(ctx, c, string(code))
	return err
}

func (r Recorder) put(ctx context.Context, c Call, code string) (int64, error) {
	s, err := r.Store(ctx)
	if err != nil {
		return 0, err
	}
	return s.PutCall(ctx, store.Call{
		Request: c.Request, By: c.By, Remote: c.Remote, Method: c.Method, Parameters: c.Parameters, Code: code,
	})
}

// End records how a call ended: CallDone or the code of the failure, and what it changed.
func (r Recorder) End(ctx context.Context, id int64, code string, effect json.RawMessage) error {
	s, err := r.Store(ctx)
	if err != nil {
		return err
	}
	return s.EndCall(ctx, id, code, effect)
}

// Credential is a refused credential: the address that it came from, and why it was refused.
type Credential struct{ Remote, Code string }

// CountRefused records requests without a valid credential.
func (r Recorder) CountRefused(ctx context.Context, counts map[Credential]int64) error {
	s, err := r.Store(ctx)
	if err != nil {
		return err
	}
	refused := make([]store.RefusedCalls, 0, len(counts))
	for c, n := range counts {
		refused = append(refused, store.RefusedCalls{Remote: c.Remote, Code: c.Code, Count: n})
	}
	return s.AddRefusedCalls(ctx, refused)
}
