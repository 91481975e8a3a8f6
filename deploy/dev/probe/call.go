package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

var (
	// errGone reports an object that is not there.
	errGone = errors.New("probe: not found")
	// errSignedOut reports a token that is not good any more.
	errSignedOut = errors.New("probe: signed out")
)

// patience bounds one call.
const patience = 20 * time.Second

// caller makes calls to one API.
type caller struct {
	base string
	http *http.Client // http.DefaultClient where it is nil
	// prepare adds what says who calls.
	prepare func(ctx context.Context, r *http.Request, body []byte) error
	// gone reports whether an answer means that there is no such object, besides 404.
	gone func(status int, body []byte) bool
}

// do makes a call with a body, unless that is nil, and decodes the answer.
func (c caller) do(ctx context.Context, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("probe: %w", err)
		}
	}
	return c.send(ctx, method, path, "application/json", text, into)
}

func (c caller) send(ctx context.Context, method, path, contentType string, text []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	if text != nil {
		r.Header.Set("Content-Type", contentType)
	}
	if c.prepare != nil {
		if err := c.prepare(ctx, r, text); err != nil {
			return err
		}
	}
	client := c.http
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	return c.read(r, answer, into)
}

// read decodes an answer that is one.
func (c caller) read(r *http.Request, answer *http.Response, into any) error {
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("probe: %s %s: %w", r.Method, r.URL.Path, err)
	}
	switch {
	case answer.StatusCode == http.StatusNotFound, c.gone != nil && c.gone(answer.StatusCode, body):
		return fmt.Errorf("%w: %s %s", errGone, r.Method, r.URL.Path)
	case answer.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s %s", errSignedOut, r.Method, r.URL.Path)
	case answer.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("probe: %s %s answered %s", r.Method, r.URL.Path, answer.Status)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("probe: %s %s: %w", r.Method, r.URL.Path, err)
	}
	return nil
}

// bearer keeps a token until it is about to end.
type bearer struct {
	fetch func(ctx context.Context) (token string, life time.Duration, err error)

	mu    sync.Mutex
	token string
	ends  time.Time
}

// sign is caller.prepare for tokens.
func (b *bearer) sign(ctx context.Context, r *http.Request, _ []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().After(b.ends) {
		token, life, err := b.fetch(ctx)
		if err != nil {
			return err
		}
		b.token, b.ends = token, time.Now().Add(life/2)
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	return nil
}

// oauth fetches a token by a form.
func oauth(address string, form url.Values) func(context.Context) (string, time.Duration, error) {
	return func(ctx context.Context) (string, time.Duration, error) {
		var got struct {
			Token   string `json:"access_token"`
			Expires int    `json:"expires_in"`
		}
		err := caller{base: address}.send(ctx, http.MethodPost, "", "application/x-www-form-urlencoded", []byte(form.Encode()), &got)
		return got.Token, time.Duration(got.Expires) * time.Second, err
	}
}

// pages reads a list of an API that names the next page by a link or a token.
func pages(read func(next string) (string, error)) error {
	for next := ""; ; {
		var err error
		if next, err = read(next); err != nil || next == "" {
			return err
		}
	}
}

// under strips an API's own address from a link of it.
func under(base, link string) string { return strings.TrimPrefix(link, base) }
