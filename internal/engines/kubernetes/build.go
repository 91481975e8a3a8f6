package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// ErrUnavailable reports a machine on which the servers can be neither found nor
// built.
var ErrUnavailable = errors.New("kube-apiserver and etcd are not available")

// program is one server and where it is built from.
type program struct {
	// name is that of the directory below deploy/engines, and of the binary.
	name string
	// module is required there in the version that is built.
	module string
	// pkg is the main package.
	pkg string
	// flags are for the linker; %s is the version.
	flags string
}

func apiserver() program {
	return program{
		name: "kube-apiserver", module: "k8s.io/kubernetes", pkg: "k8s.io/kubernetes/cmd/kube-apiserver",
		flags: "-s -w -X k8s.io/component-base/version.gitVersion=%s",
	}
}

func etcd() program {
	return program{name: "etcd", module: "go.etcd.io/etcd/server/v3", pkg: "go.etcd.io/etcd/server/v3", flags: "-s -w"}
}

// binaries are the paths of the two servers.
type binaries struct{ apiserver, etcd string }

// Available reports why this machine cannot run the servers, wrapping
// ErrUnavailable, or nil. It builds nothing: where the servers have not been
// built yet, it is enough that they might be.
func Available() error {
	for _, p := range []program{etcd(), apiserver()} {
		path, _, err := p.binary()
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if _, err := exec.LookPath("go"); err != nil {
			return fmt.Errorf("kubernetes: %w: install Go to build them", ErrUnavailable)
		}
	}
	return nil
}

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
	if log == nil {
		log = io.Discard
	}
	var paths [2]string
	for i, p := range []program{etcd(), apiserver()} {
		path, err := p.build(ctx, log)
		if err != nil {
			return binaries{}, err
		}
		paths[i] = path
	}
	return binaries{etcd: paths[0], apiserver: paths[1]}, nil
}

// sources returns the directory of the module that builds the program: beside
// this file, or below the directory that the process runs in.
func (p program) sources() (string, error) {
	var starts []string
	if _, file, _, ok := runtime.Caller(0); ok {
		starts = append(starts, filepath.Dir(file))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, dir := range starts {
		for ; filepath.IsAbs(dir); dir = filepath.Dir(dir) {
			found := filepath.Join(dir, "deploy", "engines", p.name)
			if _, err := os.Stat(filepath.Join(found, "go.mod")); err == nil {
				return found, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("kubernetes: %w: deploy/engines/%s is not found: run this from the checkout", ErrUnavailable, p.name)
}

// binary returns where the program is when it is built, and its version.
func (p program) binary() (path, version string, err error) {
	dir, err := p.sources()
	if err != nil {
		return "", "", err
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", "", fmt.Errorf("kubernetes: %w", err)
	}
	required := regexp.MustCompile(`(?m)^(?:require |\t)` + regexp.QuoteMeta(p.module) + ` (v\S+)`).FindSubmatch(mod)
	if required == nil {
		return "", "", fmt.Errorf("kubernetes: %w: %s does not require %s", ErrUnavailable, dir, p.module)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", fmt.Errorf("kubernetes: %w: %w", ErrUnavailable, err)
	}
	version = string(required[1])
	return filepath.Join(cache, "rollcall", "engines", p.name+"-"+version), version, nil
}

// build builds the program unless it is there, and returns its path.
func (p program) build(ctx context.Context, log io.Writer) (string, error) {
	path, version, err := p.binary()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("kubernetes: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(filepath.Dir(path), "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // somebody else has built it meanwhile
	}
	_, _ = fmt.Fprintf(log, "building %s %s: this takes some minutes, once\n", p.name, version)
	if err := p.compile(ctx, log, path+".part", version); err != nil {
		return "", err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return "", fmt.Errorf("kubernetes: %w", err)
	}
	return path, nil
}

// compile runs the go command, as nobody's hurry.
func (p program) compile(ctx context.Context, log io.Writer, to, version string) error {
	dir, err := p.sources()
	if err != nil {
		return err
	}
	flags := p.flags
	if strings.Contains(flags, "%s") {
		flags = fmt.Sprintf(flags, version)
	}
	args := []string{"go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", flags, "-o", to, p.pkg}
	if nice, err := exec.LookPath("nice"); err == nil {
		args = append([]string{nice}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	said := &tail{}
	cmd.Stdout, cmd.Stderr = log, io.MultiWriter(log, said)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("kubernetes: %w: building %s: %w\n%s", ErrUnavailable, p.name, err, said)
	}
	return nil
}

// lock takes the file for this process, and waits for whoever has it.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("kubernetes: %s: %w", name, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("kubernetes: somebody else is building: %w", ctx.Err()), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
