package kubernetes

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
)

// Where the front writes a name that custom resources do not take, and what the
// name that stands for it begins with.
const (
	annotationName = "front.rollcall-iam.github.io/name"
	standInPrefix  = "x-openshift-"
)

// userAPI is where names are OpenShift's.
const userAPI = "/apis/user.openshift.io/v1/"

// front passes everything on to the API server, and changes names on the way.
type front struct{ proxy *httputil.ReverseProxy }

// nameKey is where a request's context has the name that it is about.
type nameKey struct{}

func (s *Server) front() (http.Handler, error) {
	target, err := url.Parse(s.URL())
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	trusted, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: s.CAFile()}})
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return &front{proxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if isUserAPI(r.In) {
				r.Out.Header.Del("Accept-Encoding") // the answer is read here
				r.Out.Header.Set("Accept", withoutProtobuf(r.In.Header.Get("Accept")))
			}
		},
		Transport:      &http.Transport{TLSClientConfig: trusted, ForceAttemptHTTP2: true},
		FlushInterval:  -1,
		ModifyResponse: answer,
		ErrorLog:       log.New(io.Discard, "", 0), // the caller sees that there is no answer
	}}, nil
}

func isUserAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, userAPI) }

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isUserAPI(r) {
		var ok bool
		if r, ok = translated(w, r); !ok {
			return
		}
	}
	f.proxy.ServeHTTP(w, r)
}

// translated returns the request as custom resources take it. It has answered
// itself where it returns false.
func translated(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	if watch, _ := strconv.ParseBool(r.URL.Query().Get("watch")); watch {
		refuse(w, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, "watches are not served here")
		return nil, false
	}
	resource, escaped, named := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), userAPI), "/")
	name, err := url.PathUnescape(escaped)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, "the path cannot be read")
		return nil, false
	case named && name == "~" && resource == "users" && r.Method == http.MethodGet:
		reply(w, http.StatusOK, map[string]any{
			"kind": "User", "apiVersion": "user.openshift.io/v1", "metadata": map[string]any{"name": "system:self"}, "groups": []string{},
		})
		return nil, false
	case named && !validName(resource, name):
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "metadata.name: Invalid value")
		return nil, false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false // the caller has gone
	}
	body, called, err := renamed(resource, body)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "metadata.name: Invalid value")
		return nil, false
	}
	out := r.Clone(context.WithValue(r.Context(), nameKey{}, cmp.Or(name, called)))
	if named {
		out.URL.Path, out.URL.RawPath = userAPI+resource+"/"+standIn(name), ""
	}
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return out, true
}

// validName is OpenShift's rule for the names of users and groups
// (github.com/openshift/apiserver-library-go, pkg/apivalidation): a segment of a
// path without a colon that is not "~". Identities have one colon.
func validName(resource, name string) bool {
	colons := 0
	if resource == "identities" {
		colons = 1
	}
	return name != "" && name != "~" && len(path.IsValidPathSegmentName(name)) == 0 && strings.Count(name, ":") == colons
}

// standIn is the name under which a custom resource is kept.
func standIn(name string) string {
	if len(validation.IsDNS1123Subdomain(name)) == 0 && !strings.HasPrefix(name, standInPrefix) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return standInPrefix + hex.EncodeToString(sum[:])
}

// renamed puts the stand-in into an object that has a name, and returns that name.
func renamed(resource string, body []byte) (out []byte, name string, err error) {
	var object map[string]any
	_ = json.Unmarshal(body, &object) // a patch that is a list, or not JSON: the server judges it
	metadata, _ := object["metadata"].(map[string]any)
	name, named := metadata["name"].(string)
	if !named {
		return body, "", nil
	}
	if !validName(resource, name) {
		return nil, "", fmt.Errorf("kubernetes: %q is no name here", name)
	}
	if metadata["name"] = standIn(name); metadata["name"] == name {
		return body, name, nil
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
	}
	annotations[annotationName], metadata["annotations"] = name, annotations
	out, err = json.Marshal(object)
	return out, name, err
}

// answer puts the names back.
func answer(r *http.Response) error {
	name, ours := r.Request.Context().Value(nameKey{}).(string)
	if !ours || !strings.Contains(r.Header.Get("Content-Type"), "json") {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err == nil {
		items, _ := object["items"].([]any)
		for _, item := range append(items, object) {
			restore(item)
		}
		if body, err = json.Marshal(object); err != nil {
			return fmt.Errorf("kubernetes: %w", err)
		}
	}
	if object["kind"] == "Status" && name != "" {
		quoted := strconv.Quote(name) // names hold no control characters
		body = bytes.ReplaceAll(body, []byte(standIn(name)), []byte(quoted[1:len(quoted)-1]))
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// restore gives one object its own name.
func restore(object any) {
	o, _ := object.(map[string]any)
	metadata, _ := o["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	name, kept := annotations[annotationName].(string)
	if !kept {
		return
	}
	metadata["name"] = name
	if delete(annotations, annotationName); len(annotations) == 0 {
		delete(metadata, "annotations")
	}
}

// withoutProtobuf keeps of what the caller accepts what can be read here.
func withoutProtobuf(accept string) string {
	var kept []string
	for part := range strings.SplitSeq(accept, ",") {
		if !strings.Contains(part, "protobuf") {
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return "application/json"
	}
	return strings.Join(kept, ",")
}

// refuse answers as an API server does.
func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	reply(w, code, map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": metav1.StatusFailure, "code": code, "reason": reason, "message": message,
	})
}

func reply(w http.ResponseWriter, code int, body map[string]any) {
	text, err := json.Marshal(body)
	if err != nil {
		code = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(text) // the caller may have left
}
