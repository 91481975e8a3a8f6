package kubernetes

import (
	"context"
	"fmt"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	rbacv1client "k8s.io/client-go/kubernetes/typed/rbac/v1"
)

// Role makes a ClusterRole unless there is one of that name.
func (s *Server) Role(ctx context.Context, name string, may ...rbacv1.PolicyRule) error {
	config, err := s.AdminConfig()
	if err != nil {
		return err
	}
	rbac, err := rbacv1client.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: may}
	_, err = rbac.ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
	return unlessThere("role "+name, err)
}

// Account makes a service account, in a namespace of the same name, that has a
// ClusterRole everywhere, unless it is there, and returns a token of it that is good
// for so long.
func (s *Server) Account(ctx context.Context, name, role string, life time.Duration) (token string, err error) {
	config, err := s.AdminConfig()
	if err != nil {
		return "", err
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("kubernetes: %w", err)
	}
	rbac, err := rbacv1client.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("kubernetes: %w", err)
	}
	meta := metav1.ObjectMeta{Name: name}
	_, err = core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: meta}, metav1.CreateOptions{})
	if err := unlessThere("namespace "+name, err); err != nil {
		return "", err
	}
	_, err = core.ServiceAccounts(name).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	if err := unlessThere("account "+name, err); err != nil {
		return "", err
	}
	_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: name, Name: name}},
	}, metav1.CreateOptions{})
	if err := unlessThere("role of account "+name, err); err != nil {
		return "", err
	}
	seconds := int64(life / time.Second)
	request, err := core.ServiceAccounts(name).CreateToken(ctx, name,
		&authv1.TokenRequest{Spec: authv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("kubernetes: token of account %s: %w", name, err)
	}
	return request.Status.Token, nil
}

// unlessThere names what could not be made; what is there already is no failure.
func unlessThere(what string, err error) error {
	if err == nil || apierrors.IsAlreadyExists(err) {
		return nil
	}
	return fmt.Errorf("kubernetes: %s: %w", what, err)
}
