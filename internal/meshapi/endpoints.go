package meshapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
)

// Limits of bodies in bytes.
const (
	maxImport = 32 << 20
	maxObject = 1 << 20
)

// apiVersion is the version of meshStack whose API the endpoints have. Its Terraform provider
// refuses servers that are older than itself.
const apiVersion = "2026.36.0"

// call is a request with the caller's rights.
type call struct {
	http.ResponseWriter
	*http.Request
	service control.Service
	by      access.Actor
	query   url.Values
}

func (c *call) ctx() context.Context { return c.Request.Context() }

// Endpoints returns the endpoints.
func Endpoints() []api.Mount {
	mounts := []api.Mount{
		open("GET /mesh/info", info),
		open("POST /api/login", login),
		open("/api/", unknown),
		mount("PUT /api/meshobjects", api.Mount{Method: "Apply", Changes: true}, importObjects, "meshObjectCollection", "owner"),
		mount("POST /api/meshobjectcollections", api.Mount{Method: "Apply"}, createCollection),
		mount("DELETE /api/meshobjectcollections", api.Mount{Method: "Apply"}, deleteCollection),
		mount("POST /api/meshobjects/meshusers", api.Mount{Method: "Apply", Changes: true}, createUser),
		mount("PUT /api/meshobjects/meshusers/{name}", api.Mount{Method: "Apply", Changes: true}, putUser),
		mount("DELETE /api/meshobjects/meshusers/{name}", api.Mount{Method: "Delete", Changes: true}, deleteUser),
	}
	for _, of := range resources() {
		path := "GET /api/meshobjects/" + of.path
		mounts = append(mounts,
			mount(path, api.Mount{Method: "Get", Reads: true}, of.list, append(of.filterNames(), "page", "size")...),
			mount(path+"/{name}", api.Mount{Method: "Get", Reads: true}, of.get),
		)
	}
	return mounts
}

// mount returns an endpoint that takes some query parameters, each once. Others are refused: one may be a
// filter that the caller relies on.
func mount(pattern string, m api.Mount, handle func(*call) error, parameters ...string) api.Mount {
	m.Pattern = pattern
	m.Handle = func(w http.ResponseWriter, r *http.Request, service control.Service, by access.Actor) error {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return invalid("", "the query cannot be read: %s", err)
		}
		for name, values := range query {
			if !slices.Contains(parameters, name) || len(values) != 1 {
				return invalid(name, "the endpoint takes no query parameter %q, or not twice; it takes %q", name, parameters)
			}
		}
		return answered(w, handle(&call{w, r, service, by, query}))
	}
	return m
}

// open returns an endpoint that everyone may call.
func open(pattern string, handle func(w http.ResponseWriter, r *http.Request) error) api.Mount {
	return api.Mount{Pattern: pattern, Handle: func(w http.ResponseWriter, r *http.Request, _ control.Service, _ access.Actor) error {
		return answered(w, handle(w, r))
	}}
}

// answered answers a failure with a status of its own, and returns others.
func answered(w http.ResponseWriter, err error) error {
	if failed, ok := errors.AsType[*statusError](err); ok {
		return writeStatus(w, failed)
	}
	return err
}

func invalid(field, format string, args ...any) error {
	return &control.Error{Code: control.Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// info answers what the Terraform provider asks first.
func info(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, "application/json", map[string]any{
		"version": apiVersion, "is4EPEnabled": false, "metadata": map[string]string{},
	})
}

// login refuses API keys.
func login(http.ResponseWriter, *http.Request) error {
	return &statusError{http.StatusUnauthorized, "Rollcall has no API keys and stores no secrets of callers: send an access token of " +
		"an OpenID Connect issuer of this server as Authorization: Bearer; the Terraform provider takes it as apitoken"}
}

// unknown answers requests for endpoints that there are not.
func unknown(_ http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &statusError{http.StatusMethodNotAllowed, "the endpoint does not take " + r.Method +
			": objects of all kinds are stored by PUT /api/meshobjects, and removed by rollcall delete"}
	}
	return &control.Error{Code: control.NotFound, Message: "the meshObject API has no such endpoint here"}
}

// body reads the body of a request up to a limit.
func (c *call) body(limit int64) ([]byte, error) {
	text, err := io.ReadAll(http.MaxBytesReader(c.ResponseWriter, c.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes: split it", limit)}
	}
	if err != nil {
		return nil, invalid("", "the body did not arrive")
	}
	return text, nil
}

// collectionsOf returns the collections of the caller.
func (c *call) collectionsOf() (control.Collections, error) {
	service, ok := c.service.(interface{ Collections() control.Collections })
	if !ok {
		return nil, &statusError{http.StatusNotImplemented, "this server has no collections: import without meshObjectCollection"}
	}
	return service.Collections(), nil
}

// readCollection reads the collection that a request describes.
func (c *call) readCollection() (control.Collections, control.Collection, error) {
	var named control.Collection
	if err := checkContent(c.Request, collectionJSON); err != nil {
		return nil, named, err
	}
	text, err := c.body(maxObject)
	if err != nil {
		return nil, named, err
	}
	if err := json.Unmarshal(text, &named); err != nil {
		return nil, named, invalid("", "the body is no collection: it is an object with name, owner and description")
	}
	const most = 255
	if named.Name == "" || len(named.Name) > most || len(named.Owner) > most || len(named.Description) > 10*most {
		return nil, named, invalid(
			"name", "a collection has a name and an owner of at most %d bytes, and a description of at most %d", most, 10*most)
	}
	of, err := c.collectionsOf()
	return of, named, err
}

func createCollection(c *call) error {
	of, named, err := c.readCollection()
	if err != nil {
		return err
	}
	if err := of.Create(c.ctx(), named); err != nil {
		return err
	}
	c.WriteHeader(http.StatusCreated)
	return nil
}

func deleteCollection(c *call) error {
	of, named, err := c.readCollection()
	if err != nil {
		return err
	}
	if err := of.Remove(c.ctx(), named.Name, named.Owner); err != nil {
		if control.CodeOf(err) == control.Conflict { // the API's own status for it
			return &statusError{http.StatusBadRequest, err.Error()}
		}
		return err
	}
	c.WriteHeader(http.StatusOK)
	return nil
}
