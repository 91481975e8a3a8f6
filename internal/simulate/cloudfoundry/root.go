package cloudfoundry

import (
	"net/http"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// version is the Cloud Controller's that is simulated.
const version = "3.195.0"

type link struct {
	Href string            `json:"href"`
	Meta map[string]string `json:"meta,omitempty"`
}

// address is where the caller found the server.
func address(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (s *Server) root(w http.ResponseWriter, r *http.Request) {
	at := address(r)
	simulate.JSON(w, http.StatusOK, map[string]any{"links": map[string]*link{
		"self":                {Href: at},
		"cloud_controller_v2": nil,
		"cloud_controller_v3": {Href: at + "/v3", Meta: map[string]string{"version": version}},
		"login":               {Href: at},
		"uaa":                 {Href: at},
		"credhub":             nil,
		"app_ssh": {Href: "ssh.invalid:2222", Meta: map[string]string{
			"host_key_fingerprint": "", "oauth_client": "ssh-proxy",
		}},
	}})
}

func (s *Server) v3(w http.ResponseWriter, r *http.Request) {
	at := address(r) + "/v3"
	simulate.JSON(w, http.StatusOK, map[string]any{"links": map[string]link{
		"self": {Href: at}, "organizations": {Href: at + "/organizations"}, "spaces": {Href: at + "/spaces"},
		"roles": {Href: at + "/roles"}, "users": {Href: at + "/users"},
	}})
}

func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	at := address(r)
	simulate.JSON(w, http.StatusOK, map[string]any{
		"build": "", "name": "simulated", "version": 0, "description": "", "custom": map[string]string{},
		"cli_version": map[string]string{"minimum": "", "recommended": ""},
		"links":       map[string]link{"self": {Href: at + "/v3/info"}, "support": {}},
	})
}
