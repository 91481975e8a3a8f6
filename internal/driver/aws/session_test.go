package aws

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// closing is a body that ends when it is closed, as the SDK's do.
type closing struct {
	io.Reader

	closed bool
}

func (c *closing) Close() error {
	c.closed, c.Reader = true, strings.NewReader("")
	return nil
}

// roundTrip is a transport in one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestBodiesAreSentFromMemory, so that it does not matter when the SDK closes
// them, and may be sent twice.
func TestBodiesAreSentFromMemory(t *testing.T) {
	body := &closing{Reader: strings.NewReader("all of it")}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://aws.example.com", body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = inMemory{roundTrip(func(r *http.Request) (*http.Response, error) {
		if !body.closed {
			t.Error("the SDK's body is left open")
		}
		again, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		for _, from := range []io.Reader{r.Body, again} {
			if sent, err := io.ReadAll(from); string(sent) != "all of it" || r.ContentLength != int64(len(sent)) {
				t.Errorf("sent %q of %d bytes, %v", sent, r.ContentLength, err)
			}
		}
		return nil, http.ErrAbortHandler
	})}.RoundTrip(request)
	if err != http.ErrAbortHandler { //nolint:errorlint // the same one
		t.Errorf("got the error %v", err)
	}
}
