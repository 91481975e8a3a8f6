package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Audit records calls. A call that cannot be recorded is refused.
type Audit interface {
	// Begin records a call that begins, and returns its ID; Refuse one that does not begin.
	Begin(ctx context.Context, c control.Call) (int64, error)
	Refuse(ctx context.Context, c control.Call, code control.Code) error
	// End records how a call ended: control.CallDone or the code of the failure, and what it
	// changed.
	End(ctx context.Context, id int64, code string, effect json.RawMessage) error
	// CountRefused records requests without a valid credential.
	CountRefused(ctx context.Context, counts map[control.Credential]int64) error
}

const (
	// auditTimeout bounds the record of a call that has ended: the caller may have left.
	auditTimeout = 10 * time.Second
	// refusedInterval is how often refused credentials are recorded, and maxRefused how many
	// addresses are told apart in between.
	refusedInterval = time.Second
	maxRefused      = 100
	// maxParameters is how many bytes of a request are recorded, and maxNames how many names of
	// documents.
	maxParameters = 8 << 10
	maxNames      = 50
)

// audited records a call before and after it is made.
func audited[In, Out any](s *server, r *http.Request, c control.Call, request In, call func() (Out, error)) (Out, error) {
	c.Parameters = parametersOf(request)
	id, err := s.Audit.Begin(r.Context(), c)
	if err != nil {
		var none Out
		return none, s.unrecorded(r, err)
	}
	var result Out
	code := string(control.Failed) // of a call that panics
	defer func() { s.endCall(r, c, id, code, effectOf(result)) }()
	result, err = call()
	code = control.CallDone
	if err != nil {
		code = string(control.CodeOf(err))
	}
	return result, err
}

// endCall records how a call ended, also for a caller who has left.
func (s *server) endCall(r *http.Request, c control.Call, id int64, code string, effect json.RawMessage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), auditTimeout)
	defer cancel()
	if err := s.Audit.End(ctx, id, code, effect); err != nil {
		s.Log.ErrorContext(r.Context(), "the end of a call is not recorded", "request", c.Request, "call", id, "cause", err)
	}
}

// refused records a call that is refused before it begins, and returns the refusal.
func (s *server) refused(r *http.Request, c control.Call, refusal error) error {
	c.Parameters = json.RawMessage(`{}`)
	if err := s.Audit.Refuse(r.Context(), c, control.CodeOf(refusal)); err != nil {
		return s.unrecorded(r, err)
	}
	return refusal
}

// unrecorded is the failure of a call without a record.
func (s *server) unrecorded(r *http.Request, err error) error {
	s.Log.ErrorContext(r.Context(), "a call is not recorded", "request", requestOf(r.Context()), "cause", err)
	return &control.Error{Code: control.Unavailable, Message: "the server cannot record the call, and so refuses it: repeat the request"}
}

// parametersOf returns a request as it is recorded: without the bodies of documents, which
// revisions have, and of a bounded length.
func parametersOf(request any) json.RawMessage {
	switch r := request.(type) {
	case ApplyRequest:
		request = changeParameters(r.Documents, r.Prune, &r.ChangeOptions)
	case PlanDocumentsRequest:
		request = changeParameters(r.Documents, r.Prune, nil)
	}
	text, err := json.Marshal(request)
	if err != nil || len(text) > maxParameters {
		text = fmt.Appendf(nil, `{"omitted_bytes": %d}`, len(text))
	}
	return text
}

// namedChange is a change of documents by their names.
type namedChange struct {
	Count int                    `json:"count"`
	Names []string               `json:"documents"`
	Prune bool                   `json:"prune,omitempty"`
	With  *control.ChangeOptions `json:"options,omitempty"`
}

func changeParameters(documents []document.Document, prune bool, options *control.ChangeOptions) namedChange {
	names := []string{}
	for _, d := range documents[:min(len(documents), maxNames)] {
		names = append(names, d.ID.String())
	}
	return namedChange{len(documents), names, prune, options}
}

// effectOf returns what a call changed; nil if nothing, or if the request says it.
func effectOf(result any) json.RawMessage {
	var effect map[string]any
	switch r := result.(type) {
	case control.ChangeResult:
		if r.Stored {
			effect = map[string]any{"revision": r.Changes.Generation, "digest": r.Changes.Digest, "tenants": len(r.Changes.Tenants)}
		}
	case control.RevokeResult:
		effect = map[string]any{"since": r.Revocation.At}
	case control.LiftResult:
		effect = map[string]any{"tenants": r.Tenants}
	case control.ReplicateResult:
		effect = map[string]any{"tenants": r.Tenants}
	case control.AdoptResult:
		if r.Stored {
			effect = map[string]any{"groups": len(r.Adoption.Groups), "digest": r.Adoption.Digest}
		}
	case control.ForgetResult:
		if r.Done {
			effect = map[string]any{"tenants": r.Tenants, "objects": r.Objects}
		}
	}
	if effect == nil {
		return nil
	}
	text, _ := json.Marshal(effect) //nolint:errchkjson // numbers and texts
	return text
}

// refusals count requests without a valid credential until they are recorded, so that a
// client that sends many costs a statement a second.
type refusals struct {
	audit Audit
	log   *slog.Logger

	mu     sync.Mutex
	counts map[control.Credential]int64
}

// add counts one.
func (r *refusals) add(remote, code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[control.Credential]int64{}
		time.AfterFunc(refusedInterval, r.record)
	}
	if a, err := netip.ParseAddr(remote); err == nil && a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			remote = p.String() // a subscriber has that many addresses
		}
	}
	c := control.Credential{Remote: remote, Code: code}
	if _, known := r.counts[c]; !known && len(r.counts) >= maxRefused {
		c.Remote = ""
	}
	r.counts[c]++
}

// record stores the counts.
func (r *refusals) record() {
	r.mu.Lock()
	counts := r.counts
	r.counts = nil
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), auditTimeout)
	defer cancel()
	if err := r.audit.CountRefused(ctx, counts); err != nil {
		r.log.Error("refused credentials are not recorded", "cause", err)
	}
}

// remoteOf returns the address of a caller. Behind trusted proxies it is the last address of
// X-Forwarded-For that is none of theirs: what stands before it, a caller may have written.
func remoteOf(r *http.Request, proxies []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	address := peer.Addr().Unmap().WithZone("")
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(forwarded) - 1; i >= 0 && trusted(address); i-- {
		from, err := netip.ParseAddr(strings.TrimSpace(forwarded[i]))
		if err != nil {
			break
		}
		address = from.Unmap().WithZone("")
	}
	return address.String()
}

// unaudited records nothing.
type unaudited struct{}

func (unaudited) Begin(context.Context, control.Call) (int64, error)               { return 0, nil }
func (unaudited) Refuse(context.Context, control.Call, control.Code) error         { return nil }
func (unaudited) End(context.Context, int64, string, json.RawMessage) error        { return nil }
func (unaudited) CountRefused(context.Context, map[control.Credential]int64) error { return nil }
