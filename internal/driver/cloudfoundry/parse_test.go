package cloudfoundry_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tests := []struct {
		reason, header string
		want           time.Duration
	}{
		{"UAA's limit is in seconds", "7", 7 * time.Second},
		{"the Cloud Controller's limit is a point in time", strconv.FormatInt(now.Unix()+90, 10), 90 * time.Second},
		{"which may have passed", strconv.FormatInt(now.Unix()-90, 10), 0},
		{"a proxy's may be a date", now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		{"no header", "", 0},
		{"nonsense", "soon", 0},
		{"negative", "-5", 0},
		{"longer than anybody waits", "99999999", 24 * time.Hour},
	}
	for _, test := range tests {
		if got := cloudfoundry.RetryAfter(test.header, now); got != test.want {
			t.Errorf("%s: %q is %s, want %s", test.reason, test.header, got, test.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "7", "-1", "1764000000", "9223372036854775807", "Wed, 04 Mar 2026 05:06:07 GMT"} {
		f.Add(seed, int64(1764000000))
	}
	f.Fuzz(func(t *testing.T, header string, now int64) {
		if got := cloudfoundry.RetryAfter(header, time.Unix(now, 0)); got < 0 || got > 24*time.Hour {
			t.Errorf("%q is %s", header, got)
		}
	})
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"", "/", "a", "a/b", "a/b/c", "a,b", "..", "a?b", "01234567-89ab-cdef-0123-456789abcdef"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		org, space, ok := cloudfoundry.ParseID(id)
		if !ok {
			return
		}
		for _, guid := range []string{org, space} {
			if url.QueryEscape(guid) != guid || strings.ContainsAny(guid, ",/") || guid == "." || guid == ".." {
				t.Errorf("%q has the id %q, which is more than one word of an address", id, guid)
			}
		}
		if whole := strings.TrimPrefix(org+"/"+space, "/"); whole != id || space == "" {
			t.Errorf("%q was read as %q", id, whole)
		}
	})
}

func FuzzBatches(f *testing.F) {
	f.Add("ada@example.com\nben@example.com\nADA@example.com")
	f.Add(strings.Repeat("somebody.with.a.long.name@example.com\n", 500))
	f.Fuzz(func(t *testing.T, text string) {
		names := strings.Split(text, "\n")
		for i := range names {
			names[i] += strconv.Itoa(i % 300)
		}
		var all []string
		for _, batch := range cloudfoundry.Batches(names) {
			all = append(all, batch...)
			if length := len(url.QueryEscape(strings.Join(batch, ","))); length > cloudfoundry.MostNames && len(batch) > 1 {
				t.Errorf("%d names take %d letters of an address", len(batch), length)
			}
		}
		for _, name := range names {
			if asked := slices.Contains(all, strings.ToLower(name)); asked == strings.Contains(name, ",") {
				t.Errorf("%q is asked for: %t", name, asked)
			}
		}
		if len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
			t.Error("a name is asked for twice")
		}
	})
}

// FuzzAnswers answers every call with the same text: whatever it is, there is an
// error or an answer for each question, and never less.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"", "null", "[]", `{"resources":[null],"pagination":{"total_results":1}}`,
		`{"resources":[],"pagination":{"total_results":0,"next":null},"totalResults":0}`,
		`{"resources":[{"guid":"r","type":"space_auditor","relationships":{"user":{"data":{"guid":"u"}},"space":{"data":{"guid":"s"}}}}],
		  "included":{"users":[null],"spaces":[null]},"pagination":{"total_results":1,"next":{"href":"/?page=2"}}}`,
		`{"resources":[{"guid":"s","username":"ada","relationships":{"organization":{"data":{"guid":"o"}}}}],"pagination":{"total_results":1}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := text
			if signIn(r) {
				answer = `{"access_token":"token","expires_in":600}`
			}
			_, _ = w.Write([]byte(answer))
		}))
		defer server.Close()
		d := openWith(t, map[string]any{
			"apiUrl": server.URL, "uaaUrl": server.URL, "origin": sso,
			"auth": map[string]any{"environment": map[string]any{"prefix": "CF"}},
		}, map[string]string{"CF_CLIENT_ID": "admin", "CF_CLIENT_SECRET": "admin-secret"})
		seen, err := d.Observe(t.Context(), []driver.Scope{{ID: "s", Marks: true}, {ID: "o/s"}})
		if err == nil && len(seen) != 2 || err != nil && len(seen) > 0 {
			t.Errorf("%d answers for two scopes, and %v", len(seen), err)
		}
		found, err := d.Resolve(t.Context(), []string{"ada", "ben"})
		if err == nil && len(found) != 2 || err != nil && len(found) > 0 {
			t.Errorf("%d answers for two names, and %v", len(found), err)
		}
	})
}
