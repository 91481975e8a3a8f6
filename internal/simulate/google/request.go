package google

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxBody is more than any request here may have.
const maxBody = 1 << 20

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, refusal("INVALID_ARGUMENT", "Request body could not be read.")
	}
	if len(body) > maxBody {
		return nil, refusal("INVALID_ARGUMENT", "Request payload size exceeds the limit: %d bytes.", maxBody)
	}
	return body, nil
}

// decode reads the body. A field that the API does not know is refused.
func (c *call) decode(into any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(c.body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		return nil
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return refusal("INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name %s: Cannot find field.", name)
	}
	return refusal("INVALID_ARGUMENT", "Invalid JSON payload received. %s", err)
}

// checkQuery refuses parameters that the method does not have.
func (c *call) checkQuery(to route) error {
	common := []string{"alt", "prettyPrint", "quotaUser", "key", "$.xgafv"}
	for name := range c.r.URL.Query() {
		if !slices.Contains(to.params, name) && !slices.Contains(common, name) {
			return refusal("INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name %q: Cannot bind query parameter. "+
				"Field %q could not be found in request message.", name, name)
		}
	}
	if alt := c.query("alt"); alt != "" && alt != "json" {
		return refusal("INVALID_ARGUMENT", "Unsupported output format: %s", alt)
	}
	return nil
}

func (c *call) query(name string) string { return c.r.URL.Query().Get(name) }

// choice reads a parameter that is one of some values; the first is the default.
func (c *call) choice(name string, values ...string) (string, error) {
	value := c.query(name)
	if value == "" {
		return values[0], nil
	}
	if !slices.Contains(values, value) {
		return "", refusal("INVALID_ARGUMENT", "Invalid value at '%s': %q", name, value)
	}
	return value, nil
}

// number reads a number, from one to most.
func (c *call) number(name string, otherwise, most int) (int, error) {
	text := c.query(name)
	if text == "" || text == "0" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, refusal("INVALID_ARGUMENT", "Invalid value for %s: %q", name, text)
	}
	return n, nil
}

// page cuts a list and returns the token of the next page. A token belongs to the
// request that it was given for, and only its page may differ.
func page[T any](c *call, rows []T, size, most int) ([]T, string, error) {
	if most > 0 {
		size = min(size, most)
	}
	parameters := c.r.URL.Query()
	token := parameters.Get("pageToken")
	for _, own := range []string{"pageToken", "pageSize", "maxResults"} {
		parameters.Del(own)
	}
	sum := sha256.Sum256([]byte(c.r.URL.Path + "?" + parameters.Encode()))
	request := hex.EncodeToString(sum[:6])
	from := 0
	if token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		at, of, ok := strings.Cut(string(text), "@")
		n, notNumber := strconv.Atoi(at)
		if err != nil || !ok || of != request || notNumber != nil || n < 0 {
			return nil, "", refusal("INVALID_ARGUMENT", "Request contains an invalid argument: page token.")
		}
		from = min(n, len(rows))
	}
	rows = rows[from:]
	if len(rows) <= size {
		return rows, "", nil
	}
	next := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d@%s", from+size, request))
	return rows[:size], next, nil
}

// object builds an answer, leaving out what is empty as Google does.
func object(fields map[string]any) map[string]any {
	for name, value := range fields {
		switch v := value.(type) {
		case string:
			if v == "" {
				delete(fields, name)
			}
		case nil:
			delete(fields, name)
		case []any:
			if len(v) == 0 {
				delete(fields, name)
			}
		}
	}
	return fields
}

// list turns rows into the part of an answer.
func list[T any](rows []T, as func(T) map[string]any) []any {
	all := make([]any, len(rows))
	for i, row := range rows {
		all[i] = as(row)
	}
	return all
}
