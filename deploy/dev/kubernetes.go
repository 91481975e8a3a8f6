package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

const (
	// kubernetesTemplate is left out without Kubernetes.
	kubernetesTemplate = "8-kubernetes.yaml.tmpl"
	// openshiftPort is where OpenShift's API is looked for first.
	openshiftPort = 9471
	// administrator is an account that may do everything.
	administrator = "rollcall"
	// tokenLife is longer than anybody runs the stack without a restart.
	tokenLife = 30 * 24 * time.Hour
)

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
	case !used && kubernetes.Available() == nil && !s.options.built():
		s.buildBeside(ctx)
		return "is built meanwhile; its platforms join later" + s.console.times.last(clusterPrograms), nil
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
	s.accounts["ROLLCALL_CLUSTER_KUBECONFIG"] = s.home.path("kubeconfig")
	if err := s.serveOpenShift(ctx); err != nil {
		return "", withLog(err, file)
	}
	return server.URL() + ", as OpenShift at " + s.openshiftURL, nil
}

// serveOpenShift puts OpenShift's API in front of the cluster, whose clients sign
// in with tokens.
func (s *stack) serveOpenShift(ctx context.Context) error {
	handler, err := s.kubernetes.OpenShift(ctx)
	if err != nil {
		return err
	}
	listener, err := listenNear(ctx, openshiftPort)
	if err != nil {
		return fmt.Errorf("openshift: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with Close
	s.onStop(server.Close)
	s.openshiftURL = "http://" + listener.Addr().String()
	s.accounts["ROLLCALL_OPENSHIFT_TOKEN"], err = s.kubernetes.Account(ctx, administrator, "cluster-admin", tokenLife)
	return err
}

// listenNear takes the port, or any where it is in use.
func listenNear(ctx context.Context, port int) (net.Listener, error) {
	var config net.ListenConfig
	if listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
		return listener, nil
	}
	return config.Listen(ctx, "tcp", "127.0.0.1:0")
}

// seedOpenShift makes the users that are missing, as signing in would.
func (s *stack) seedOpenShift(ctx context.Context, euids []string) error {
	for _, euid := range euids {
		user := fmt.Sprintf(`{"apiVersion": "user.openshift.io/v1", "kind": "User", "metadata": {"name": %q}}`, euid+"@example.com")
		address := s.openshiftURL + "/apis/user.openshift.io/v1/users"
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(user))
		if err != nil {
			return fmt.Errorf("openshift: %w", err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+s.accounts["ROLLCALL_OPENSHIFT_TOKEN"])
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return fmt.Errorf("openshift: %w", err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusCreated && response.StatusCode != http.StatusConflict {
			return fmt.Errorf("openshift: making a user answered %s", response.Status)
		}
	}
	return nil
}
