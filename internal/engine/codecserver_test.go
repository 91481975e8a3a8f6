package engine_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

func TestCodecServer(t *testing.T) {
	t.Parallel()
	const ui = "https://temporal.example.com"
	dir := t.TempDir()
	addKey(t, dir, "k1")
	keys := openKeyring(t, dir)
	sealed := encode(t, at(engine.NewCodec(keys, "default", false), "default", "tenant/a.b/c"), secret())
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{sealed}})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason, method, path, origin, token string
		want                                int
		shows                               bool
	}{
		"authorised":   {"the UI of an authorised person reads", "POST", "/decode", ui, "Bearer s3cret", http.StatusOK, true},
		"no token":     {"nobody reads without the token", "POST", "/decode", ui, "", http.StatusUnauthorized, false},
		"wrong token":  {"or with another", "POST", "/decode", ui, "Bearer guess", http.StatusUnauthorized, false},
		"other origin": {"pages of other sites are refused", "POST", "/decode", "https://evil.example.com", "Bearer s3cret", http.StatusForbidden, false},
		"encode":       {"nobody has payloads encrypted", "POST", "/encode", ui, "Bearer s3cret", http.StatusNotFound, false},
		"preflight":    {"browsers ask first, without the token", "OPTIONS", "/decode", ui, "", http.StatusNoContent, false},
	}
	handler := engine.CodecServer{Keys: keys, Namespace: "default", Origin: ui, Token: "s3cret"}.Handler()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), tc.method, tc.path, bytes.NewReader(body))
			r.Header.Set("Origin", tc.origin)
			r.Header.Set("Content-Type", "application/json")
			if tc.token != "" {
				r.Header.Set("Authorization", tc.token)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Errorf("%s: status %d, want %d: %s", tc.reason, w.Code, tc.want, w.Body)
			}
			var out commonpb.Payloads
			shows := protojson.Unmarshal(w.Body.Bytes(), &out) == nil && len(out.GetPayloads()) == 1 &&
				strings.Contains(string(out.GetPayloads()[0].GetData()), "jane.doe@example.com")
			if shows != tc.shows {
				t.Errorf("%s: shows the payload: %v, want %v: %s", tc.reason, shows, tc.shows, w.Body)
			}
		})
	}
}
