package meshapi

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
)

// vendor is what all media types of the API begin with.
const vendor = "application/vnd.meshcloud.api."

// The media types of imports and of collections.
const (
	importJSON     = vendor + "meshobjects.v1+json"
	importYAML     = vendor + "meshobjects.v1+yaml"
	collectionJSON = vendor + "meshobjectcollection.v1+json"
)

// writeTimeout is how long a client may take to read an answer.
const writeTimeout = 5 * time.Minute

// statusError is a failure with a status that no code of package control has.
type statusError struct {
	status  int
	message string
}

// Error returns the message.
func (e *statusError) Error() string { return e.message }

// accepted returns which of the media types the client prefers: the first that the header Accept
// has. Parameters are not compared. optional lets a client without the header have the first.
func accepted(r *http.Request, optional bool, types ...string) (string, error) {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if header == "" && optional {
		return types[0], nil
	}
	for part := range strings.SplitSeq(header, ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		switch {
		case err != nil || parameters["q"] == "0":
		case kind == "*/*" || kind == "application/*":
			return types[0], nil
		case slices.Contains(types, kind):
			return kind, nil
		}
	}
	return "", &statusError{http.StatusNotAcceptable, "the answer has another media type: send Accept: " + strings.Join(types, " or ")}
}

// checkContent refuses a request whose body has none of the media types.
func checkContent(r *http.Request, types ...string) error {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || !slices.Contains(types, kind) || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &statusError{
			http.StatusUnsupportedMediaType,
			"the body has another media type: send it in UTF-8 with Content-Type: " + strings.Join(types, " or "),
		}
	}
	return nil
}

// write answers with JSON.
func write(w http.ResponseWriter, status int, kind string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", kind)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // not all writers have one
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a caller who left misses nothing
	return nil
}

// writeStatus answers with a failure of a status as problem details (RFC 9457).
func writeStatus(w http.ResponseWriter, e *statusError) error {
	return write(w, e.status, "application/problem+json", api.Problem{
		Type: "about:blank", Title: http.StatusText(e.status), Status: e.status, Detail: e.message,
		RequestID: w.Header().Get("X-Request-ID"), Error: &control.Error{Code: control.Invalid, Message: e.message},
	})
}
