package api

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/control"
)

const (
	keyHeader = "Idempotency-Key"
	maxKey    = 255
	// maxAnswer is how many bytes of an answer are kept.
	maxAnswer = 1 << 20
	// heartbeatInterval is how often a running attempt gives a sign of life.
	heartbeatInterval = 10 * time.Second
	// abandonedTimeout is how long a call with a key goes on after its caller has left, so that
	// the next attempt finds its answer.
	abandonedTimeout = 2 * time.Minute
	// endTimeout is how long the answer may take to be stored.
	endTimeout = 10 * time.Second
)

// idempotencyKey returns the key of a request (draft-ietf-httpapi-idempotency-key-header): a
// string in quotes, or without them; empty for a request without one.
func idempotencyKey(header http.Header) (string, error) {
	fields := header.Values(keyHeader)
	if len(fields) == 0 {
		return "", nil
	}
	key := fields[0]
	if text, quoted := strings.CutPrefix(key, `"`); quoted {
		key = strings.TrimSuffix(text, `"`)
	}
	wrong := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }
	if len(fields) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, wrong) {
		return "", &control.Error{Code: control.Invalid, Field: keyHeader, Message: fmt.Sprintf(
			"the idempotency key is malformed: write 1 to %d printable characters, as a UUID", maxKey)}
	}
	return key, nil
}

// attempt is a call with an idempotency key.
type attempt struct {
	state               State
	caller, key, digest []byte
	name                string // random
	aead                cipher.AEAD
}

// outcome is what an attempt has answered.
type outcome struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *control.Error  `json:"error,omitempty"`
	// Omitted is true for a result that is too large to be kept.
	Omitted bool `json:"omitted,omitempty"`
}

// newAttempt returns an attempt of a caller's request. The answer is encrypted with the key,
// which only the caller has: the database alone tells nothing about it.
func newAttempt(ctx context.Context, state State, c caller, key string, request hash.Hash) (*attempt, error) {
	salt, err := state.ServerKey(ctx, "idempotent answers")
	if err != nil {
		return nil, err
	}
	secret, err := hkdf.Key(sha256.New, []byte(key), salt, c.by.ID(), 32)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	digest := func(text string) []byte {
		sum := sha256.Sum256(append(bytes.Clone(salt), text...))
		return sum[:]
	}
	return &attempt{
		state: state, caller: digest(c.by.ID()), key: digest(key), digest: request.Sum(nil), name: rand.Text(), aead: aead,
	}, nil
}

// begin begins the attempt, or returns the answer of an earlier one.
func (a *attempt) begin(ctx context.Context) (earlier *outcome, restarted bool, err error) {
	stored, answer, restarted, err := a.state.BeginRequest(ctx, a.caller, a.key, a.digest, a.name)
	switch {
	case err != nil, stored == nil:
		return nil, restarted, err
	case !bytes.Equal(stored, a.digest):
		return nil, false, &control.Error{
			Code: control.KeyReused, Field: keyHeader,
			Message: "the idempotency key belongs to another request: send a new one with each request",
		}
	case answer == nil:
		return nil, false, &control.Error{
			Code: control.Conflict, Field: keyHeader,
			Message: "the first request with this idempotency key still runs: repeat this one in a second",
		}
	}
	text, err := a.aead.Open(nil, nil, answer, a.key)
	if err != nil {
		return nil, false, fmt.Errorf("api: the stored answer of a request: %w", err)
	}
	earlier = &outcome{}
	if err := json.Unmarshal(text, earlier); err != nil {
		return nil, false, fmt.Errorf("api: the stored answer of a request: %w", err)
	}
	return earlier, false, nil
}

// end stores the answer. A failure of the server, or a missing right, is none: the next request
// with the key tries again.
func (a *attempt) end(ctx context.Context, result any, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	var o outcome
	if failure != nil {
		e, hidden := reported(failure, "")
		denied := e.Code == control.Forbidden || e.Code == control.Unauthenticated
		if hidden || denied || e.Code.HTTPStatus() >= http.StatusInternalServerError {
			return a.state.EndRequest(ctx, a.caller, a.key, a.name, nil)
		}
		o.Error = e
	}
	var err error
	if o.Result, err = json.Marshal(result); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	if len(o.Result) > maxAnswer {
		o.Result, o.Omitted = nil, true
	}
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	return a.state.EndRequest(ctx, a.caller, a.key, a.name, a.aead.Seal(nil, nil, text, a.key)) //nolint:gosec // the cipher makes the nonce
}

// heartbeat gives signs of life until the context ends.
func (a *attempt) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = a.state.HeartbeatRequest(ctx, a.caller, a.key, a.name) // the next one may succeed
		case <-ctx.Done():
			return
		}
	}
}

// earlierAnswer returns what an earlier attempt has answered.
func earlierAnswer[Out any](o *outcome) (Out, error) {
	var result Out
	var failure error
	if o.Error != nil {
		failure = (&Problem{Error: o.Error}).asError()
	}
	if o.Omitted && failure == nil {
		failure = &control.Error{
			Code: control.Conflict, Field: keyHeader, Name: "omitted",
			Message: "the first request with this idempotency key succeeded; its result is too large to be kept: read the state",
		}
	}
	return partial(result, o.Result, failure)
}

// once makes a call with an idempotency key run once: repeated, it returns the first answer.
func once[Out any](
	s *server, a *attempt, call func(ctx context.Context, events report) (Out, error),
) func(ctx context.Context, events report) (Out, error) {
	return func(ctx context.Context, events report) (Out, error) {
		// A caller who leaves repeats the request: the call goes on.
		running, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		stop := context.AfterFunc(ctx, func() {
			select {
			case <-time.After(abandonedTimeout):
				cancel()
			case <-running.Done():
			}
		})
		defer stop()
		go a.heartbeat(running)
		result, err := call(running, events)
		if failed := a.end(running, result, err); failed != nil {
			s.Log.ErrorContext(ctx, "cannot keep an answer", "request", requestOf(ctx), "cause", failed)
		}
		return result, err
	}
}

// withKey returns the call of a request with an idempotency key, or that of the first answer.
func withKey[Out any](
	s *server, w http.ResponseWriter, r *http.Request, c caller, key string, request hash.Hash,
	call func(ctx context.Context, events report) (Out, error),
) (func(ctx context.Context, events report) (Out, error), error) {
	a, err := newAttempt(r.Context(), s.State, c, key, request)
	if err != nil {
		return nil, err
	}
	earlier, restarted, err := a.begin(r.Context())
	if err != nil {
		if control.CodeOf(err) == control.Conflict {
			w.Header().Set("Retry-After", "1")
		}
		return nil, err
	}
	if earlier != nil {
		w.Header().Set("Idempotency-Replayed", "true")
		return func(context.Context, report) (Out, error) { return earlierAnswer[Out](earlier) }, nil
	}
	if restarted {
		s.Log.WarnContext(r.Context(), "an earlier attempt of the request ended without an answer", "request", requestOf(r.Context()))
	}
	return once(s, a, call), nil
}

// digesting is a body whose bytes are part of a digest.
type digesting struct {
	io.Reader
	io.Closer
}
