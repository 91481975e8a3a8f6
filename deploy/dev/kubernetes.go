package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// kubernetesTemplate is left out without Kubernetes.
const kubernetesTemplate = "8-kubernetes.yaml.tmpl"

// kubernetesOrNot starts a real API server unless the user or the machine does
// not want one.
func (s *stack) kubernetesOrNot(ctx context.Context) (string, error) {
	used, err := s.home.has("kubernetes")
	switch {
	case err != nil:
		return "", err
	case s.options.noKubernetes && used:
		return "", errors.New("the Kubernetes platforms are part of this organisation already: " +
			"leave --no-kubernetes out, or start anew with another --dir")
	case s.options.noKubernetes:
		return "left out, as asked", nil
	}
	note, err := s.startKubernetes(ctx)
	if errors.Is(err, kubernetes.ErrUnavailable) && !used {
		return "left out: " + err.Error(), nil
	}
	return note, err
}

// startKubernetes starts etcd and kube-apiserver, which the first time are built
// from their sources, and leaves a kubeconfig for the worker.
func (s *stack) startKubernetes(ctx context.Context) (string, error) {
	file := s.home.log("kubernetes")
	log, err := openLog(file)
	if err != nil {
		return "", err
	}
	s.onStop(log.Close)
	server, err := kubernetes.Start(ctx, kubernetes.Options{Dir: s.home.path("kubernetes"), Log: log})
	if errors.Is(err, kubernetes.ErrUnavailable) {
		return "", err
	}
	if err != nil {
		return "", withLog(err, file)
	}
	s.onStop(server.Stop)
	s.kubernetes = server
	text, err := server.Kubeconfig()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(s.home.path("kubeconfig"), text, 0o600); err != nil {
		return "", fmt.Errorf("kubernetes: %w", err)
	}
	s.environ["ROLLCALL_CLUSTER_KUBECONFIG"] = s.home.path("kubeconfig")
	return server.URL(), nil
}

// seedKubernetes makes the namespaces that are missing.
func seedKubernetes(ctx context.Context, server *kubernetes.Server, namespaces []string) error {
	config, err := server.AdminConfig()
	if err != nil {
		return err
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	for _, name := range namespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := core.Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("kubernetes: namespace %s: %w", name, err)
		}
	}
	return nil
}
