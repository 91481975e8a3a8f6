package kubernetes

import (
	"context"
	_ "embed" // the types
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// openshiftTypes are the custom resource definitions that stand for OpenShift's own
// types, as github.com/openshift/api has them in user/v1 and project/v1.
//
//go:embed openshift/types.json
var openshiftTypes []byte

// OpenShift turns the server into an OpenShift as far as people, groups and
// projects go: it adds the types of user.openshift.io and project.openshift.io as
// custom resources, waits until they are served, and returns a handler that takes
// what OpenShift takes and custom resources do not: names such as
// "ada@example.com". Clients talk to the handler as they would to the API server,
// with their own credentials, over plain HTTP. It may be called again.
//
// What it does not have: sign-in with OAuth, identities that follow users, a
// project for each namespace (somebody makes both), watches and protobuf for users
// and groups, and admission by RoleBindingRestrictions. GET users/~ answers with a
// user whom nobody made, not with the caller.
func (s *Server) OpenShift(ctx context.Context) (http.Handler, error) {
	admin, err := s.admin()
	if err != nil {
		return nil, err
	}
	defer admin.http.CloseIdleConnections()
	var types []json.RawMessage
	if err := json.Unmarshal(openshiftTypes, &types); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	for _, definition := range types {
		if err := admin.install(ctx, definition); err != nil {
			return nil, err
		}
	}
	return s.front()
}

// install adds one custom resource definition and waits until its objects can be
// listed.
func (a admin) install(ctx context.Context, definition json.RawMessage) error {
	var custom struct {
		Spec struct {
			Group string `json:"group"`
			Names struct {
				Plural string `json:"plural"`
			} `json:"names"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(definition, &custom); err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	if err := a.create(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition); err != nil {
		return err
	}
	objects := "/apis/" + custom.Spec.Group + "/v1/" + custom.Spec.Names.Plural
	const patience, pause = 30 * time.Second, 50 * time.Millisecond
	for deadline := time.Now().Add(patience); ; {
		status, _, err := a.ask(ctx, http.MethodGet, objects+"?limit=1", nil)
		if err == nil && status == http.StatusOK {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("kubernetes: GET %s: answered %d", objects, status), err, ctx.Err())
		}
		time.Sleep(pause)
	}
}
