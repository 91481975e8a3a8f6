package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"regexp"

	"github.com/rollcall-iam/rollcall/internal/control"
)

// requestIDHeader names a request in the logs of both sides.
const requestIDHeader = "X-Request-ID"

// streamType is the media type of a stream of JSON lines.
const streamType = "application/x-ndjson"

// validRequestID is what a caller may choose: nothing that forges a line of a log.
var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// requestID returns the ID that the caller chose, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); validRequestID.MatchString(id) {
		return id
	}
	return rand.Text()
}

type requestKey struct{}

// requestOf returns the ID of the request.
func requestOf(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// statusRecorder notes the status of a response.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status and writes it.
func (r *statusRecorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write notes that a response without a status succeeded.
func (r *statusRecorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// callInput is a request with what its header says.
type callInput[In any] struct {
	request In
	match   *control.Precondition
	// key is the idempotency key, and digest that of the request it is for.
	key    string
	digest hash.Hash
}

// readCall reads a request.
func readCall[In, Out any](w http.ResponseWriter, r *http.Request, e endpoint[In, Out]) (in callInput[In], err error) {
	if in.key, err = idempotencyKey(r.Header); err != nil {
		return in, err
	}
	in.digest = sha256.New()
	if in.key != "" {
		fmt.Fprintf(in.digest, "%q %q\n", e.name, r.Header.Values("If-Match"))
		r.Body = digesting{io.TeeReader(r.Body, in.digest), r.Body}
	}
	if in.request, err = read[In](w, r, e.documents); err != nil {
		return in, err
	}
	in.match, err = condition(r.Header, e.conditional)
	return in, err
}

// errZero refuses a text that the database cannot store.
var errZero = errors.New(`the body has a text with the character U+0000 (\u0000): remove it`)

// textReader reads JSON and fails at the escape \u0000. JSON has no other form of the character.
type textReader struct {
	body io.Reader
	// matched counts the bytes of the escape that were read last.
	matched int
}

// Read reads a part of the body.
func (r *textReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	const escape = `\u0000`
	for _, b := range p[:n] {
		switch {
		case b == escape[r.matched]:
			r.matched++
		case r.matched == 1: // another escape, of a backslash as one example
			r.matched = 0
		case b == escape[0]:
			r.matched = 1
			continue
		default:
			r.matched = 0
		}
		if r.matched == len(escape) {
			return 0, errZero
		}
	}
	return n, err
}
