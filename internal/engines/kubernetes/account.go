package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const (
	namespacesPath = "/api/v1/namespaces"
	rbacPath       = "/apis/rbac.authorization.k8s.io/v1/"
)

// Role makes a ClusterRole unless there is one of that name.
func (s *Server) Role(ctx context.Context, name string, may ...rbacv1.PolicyRule) error {
	admin, err := s.admin()
	if err != nil {
		return err
	}
	return admin.create(ctx, rbacPath+"clusterroles", rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: may})
}

// Namespaces makes the namespaces that are missing.
func (s *Server) Namespaces(ctx context.Context, names ...string) error {
	admin, err := s.admin()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := admin.create(ctx, namespacesPath, named{Metadata: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	return nil
}

// Account makes a service account, in a namespace of the same name, that has a
// ClusterRole everywhere, unless it is there, and returns a token of it that is good
// for so long.
func (s *Server) Account(ctx context.Context, name, role string, life time.Duration) (token string, err error) {
	admin, err := s.admin()
	if err != nil {
		return "", err
	}
	meta, accounts := metav1.ObjectMeta{Name: name}, namespacesPath+"/"+name+"/serviceaccounts"
	for _, object := range []struct {
		path string
		body any
	}{
		{namespacesPath, named{Metadata: meta}},
		{accounts, named{Metadata: meta}},
		{rbacPath + "clusterrolebindings", rbacv1.ClusterRoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: name, Name: name}},
		}},
	} {
		if err := admin.create(ctx, object.path, object.body); err != nil {
			return "", err
		}
	}
	body := fmt.Appendf(nil, `{"spec": {"expirationSeconds": %d}}`, int64(life/time.Second))
	status, answer, err := admin.ask(ctx, http.MethodPost, accounts+"/"+name+"/token", body)
	if err != nil {
		return "", err
	}
	var granted struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	if err := json.Unmarshal(answer, &granted); err != nil || granted.Status.Token == "" {
		return "", fmt.Errorf("kubernetes: token of account %s: answered %d", name, status)
	}
	return granted.Status.Token, nil
}

// named is an object that has only a name. The typed clients of client-go would have
// each program that starts a server compile all types of Kubernetes.
type named struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
}

// admin calls the API server as its administrator.
type admin struct {
	url  string
	http *http.Client
}

func (s *Server) admin() (admin, error) {
	config, err := s.AdminConfig()
	if err != nil {
		return admin{}, err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return admin{}, fmt.Errorf("kubernetes: %w", err)
	}
	return admin{s.URL(), client}, nil
}

// create makes an object unless there is one of its name.
func (a admin) create(ctx context.Context, path string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	status, answer, err := a.ask(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	if status != http.StatusCreated && status != http.StatusConflict { // there already
		return fmt.Errorf("kubernetes: POST %s: answered %d: %s", path, status, answer)
	}
	return nil
}

// ask makes one call and returns its answer.
func (a admin) ask(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("kubernetes: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.http.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("kubernetes: %w", err)
	}
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, errors.Join(err, response.Body.Close())
}
