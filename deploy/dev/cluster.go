package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

const (
	// clusterPrograms is what a cluster is built of.
	clusterPrograms = "kube-apiserver and etcd"
	// joinPatience is how long workers may take to notice new connections.
	joinPatience = time.Minute
)

// cluster is a Kubernetes that is built beside the first result. Its platforms join
// when it is ready.
type cluster struct {
	began time.Time
	built chan struct{}
	err   error // once built is closed
}

// buildBeside begins to build a cluster's programs. They are built at a low priority,
// until ctx ends.
func (s *stack) buildBeside(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	c := &cluster{began: time.Now(), built: make(chan struct{})}
	go func() {
		defer close(c.built)
		c.err = s.logged("kubernetes-build", func(log io.Writer) error { return kubernetes.Build(ctx, log) })
	}()
	s.onStop(func() error {
		cancel()
		<-c.built
		return nil
	})
	s.cluster = c
}

// join waits for the cluster and replicates to its platforms as well.
func (s *stack) join(ctx context.Context) error {
	fmt.Fprintln(s.console.out)
	c := s.cluster
	built := job{what: clusterPrograms, began: c.began, do: func(ctx context.Context) (string, error) {
		select {
		case <-c.built:
			return "are built; their platforms join", c.err
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}}
	err := s.console.sideBySide(ctx, []job{built})
	if errors.Is(err, kubernetes.ErrUnavailable) {
		s.console.sayf("The platforms on a Kubernetes cluster are left out: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, j := range []job{{what: "Kubernetes", do: s.startKubernetes}, {what: "Accounts on the platforms", do: s.seed}} {
		if err := s.console.step(ctx, j); err != nil {
			return err
		}
	}
	if err := s.show(ctx, "apply", s.home.path(documentsDir)); err != nil {
		return err
	}
	if err := s.awaitConnections(ctx); err != nil {
		return err
	}
	return s.show(ctx, "replicate", "--all", "--wait")
}

// awaitConnections waits until a worker serves every platform.
func (s *stack) awaitConnections(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	for {
		var report struct {
			Unserved []struct {
				Platform, Reason string
			} `json:"unserved"`
		}
		if err := s.answer(ctx, &report, "connection", "list"); err != nil {
			return err
		}
		i := slices.IndexFunc(report.Unserved, func(u struct{ Platform, Reason string }) bool { return u.Reason != "" })
		if i < 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			err := fmt.Errorf("no worker serves %s: %s", report.Unserved[i].Platform, report.Unserved[i].Reason)
			return withLog(err, s.home.log("worker"))
		case <-time.After(time.Second):
		}
	}
}
