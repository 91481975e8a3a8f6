package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
)

// Mount is an endpoint of another interface on the same server, with the callers, the limits and
// the problems of this one.
type Mount struct {
	// Pattern is that of http.ServeMux.
	Pattern string
	// Method is the method of control.Service that the caller must have the right to. It is empty
	// for an endpoint that everyone may call: it gets no service.
	Method string
	// Changes and Reads are true for a call that changes documents, or reads all.
	Changes, Reads bool
	// Handle answers a call. An error that it returns is answered for it.
	Handle func(w http.ResponseWriter, r *http.Request, service control.Service, by access.Actor) error
}

func (s *server) mount(m Mount) {
	s.mux.HandleFunc(m.Pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := s.mounted(w, r, m); err != nil {
			s.fail(w, r, err, nil)
		}
	})
}

// mounted answers a call of a mounted endpoint, up to an error.
func (s *server) mounted(w http.ResponseWriter, r *http.Request, m Mount) error {
	if m.Method == "" {
		return m.Handle(w, r, nil, access.Actor{})
	}
	service, by, err := s.Service(r)
	if err != nil {
		s.unauthenticated(w, r, err)
		return nil
	}
	recorded := control.Call{Request: requestOf(r.Context()), Remote: remoteOf(r, s.Proxies), Method: m.Method, By: by}
	release, err := s.accept(w, r, service, m.Method, s.slotsOf(m.Changes, m.Reads))
	if err != nil {
		return s.refused(r, recorded, err)
	}
	defer release()
	if target, err := url.PathUnescape(r.URL.RequestURI()); err != nil || strings.ContainsRune(target, 0) {
		return s.refused(r, recorded, &control.Error{
			Code: control.Invalid, Message: "the address has a character that no name has: remove it",
		})
	}
	if m.Changes {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(documentsTimeout)) // not all writers have one
	}
	_, err = audited(s, r, recorded, mountedCall{m.Pattern, r.URL.RequestURI()}, func() (None, error) {
		return None{}, m.Handle(w, r, service, by)
	})
	return err
}

// mountedCall is a call of a mounted endpoint as it is recorded.
type mountedCall struct {
	Endpoint string `json:"endpoint"`
	Target   string `json:"target"`
}
