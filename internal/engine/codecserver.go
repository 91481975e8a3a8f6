package engine

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"go.temporal.io/sdk/converter"
)

// CodecServer says who may have payloads decrypted.
type CodecServer struct {
	Keys      *Keyring
	Namespace string
	// Origin is where the Temporal UI is served, "https://temporal.example.com":
	// pages of no other origin are answered.
	Origin string
	// Token must come as "Authorization: Bearer <token>"; empty asks for none, for
	// servers that only listen on this machine.
	Token string
}

// Handler serves Temporal's codec protocol: POST /decode. Encrypting is not
// offered: nobody has to.
func (s CodecServer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /decode", s.authorised(converter.NewPayloadCodecHTTPHandler(NewCodec(s.Keys, s.Namespace, true))))
	mux.Handle("OPTIONS /decode", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	return s.fromOrigin(mux)
}

// fromOrigin lets pages of the one origin read answers, and refuses others.
func (s CodecServer) fromOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Origin")
		if r.Header.Get("Origin") != s.Origin {
			http.Error(w, "this codec server answers the Temporal UI only", http.StatusForbidden)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", s.Origin)
		w.Header().Set("Access-Control-Allow-Methods", "POST")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Namespace")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		next.ServeHTTP(w, r)
	})
}

func (s CodecServer) authorised(next http.Handler) http.Handler {
	if s.Token == "" {
		return next
	}
	want := sha256.Sum256([]byte(s.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if got := sha256.Sum256([]byte(token)); subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			http.Error(w, "show a bearer token", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
