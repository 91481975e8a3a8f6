package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rollcall-iam/rollcall/internal/engines/program"
)

// ErrUnavailable reports a machine on which the servers can be neither found nor
// built.
var ErrUnavailable = errors.New("kube-apiserver and etcd are not available")

func apiserver() program.Program {
	return program.Program{
		Name: "kube-apiserver", Module: "k8s.io/kubernetes", Package: "k8s.io/kubernetes/cmd/kube-apiserver",
		LinkerFlags: "-s -w -X k8s.io/component-base/version.gitVersion=%s",
	}
}

func etcd() program.Program {
	return program.Program{
		Name: "etcd", Module: "go.etcd.io/etcd/server/v3", Package: "go.etcd.io/etcd/server/v3", LinkerFlags: "-s -w",
	}
}

// binaries are the paths of the two servers.
type binaries struct{ apiserver, etcd string }

// Available reports why this machine cannot run the servers, wrapping
// ErrUnavailable, or nil. It builds nothing: where the servers have not been
// built yet, it is enough that they might be.
func Available() error {
	return unavailable(errors.Join(etcd().Available(), apiserver().Available()))
}

// Built reports whether Build would have nothing to do.
func Built() bool { return etcd().Built() && apiserver().Built() }

// Build builds what is not built yet, one after the other, into the user's cache
// directory, and writes what it does to log; nil drops that. It takes some three
// minutes of two processors, once, and fetches about 150 MB of modules. Several
// processes that build at once wait for each other. An error wraps
// ErrUnavailable.
func Build(ctx context.Context, log io.Writer) error {
	_, err := build(ctx, log)
	return err
}

func build(ctx context.Context, log io.Writer) (binaries, error) {
	var paths binaries
	var err error
	if paths.etcd, err = etcd().Build(ctx, log); err != nil {
		return binaries{}, unavailable(err)
	}
	if paths.apiserver, err = apiserver().Build(ctx, log); err != nil {
		return binaries{}, unavailable(err)
	}
	return paths, nil
}

// unavailable has an error of the build wrap ErrUnavailable, too.
func unavailable(err error) error {
	if errors.Is(err, program.ErrUnavailable) {
		return fmt.Errorf("kubernetes: %w: %w", ErrUnavailable, err)
	}
	return err
}
