// Package program builds the servers that tests and the one-command stack run,
// each once for a machine, and keeps the binaries in the user's cache directory.
//
// A server is built from a nested module below deploy/engines, so that nobody who
// uses Rollcall inherits its dependencies.
package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// ErrUnavailable reports a machine on which a server can be neither found nor
// built.
var ErrUnavailable = errors.New("not available")

// Program is one server and where it is built from.
type Program struct {
	// Name is that of the directory below deploy/engines, and of the binary.
	Name string
	// Module is required there in the version that is built.
	Module string
	// Package is the main package; "." for one in the directory itself, which is
	// built again whenever its files change.
	Package string
	// LinkerFlags are for the linker; %s is the version of Module.
	LinkerFlags string
	// Tags are build tags, separated by commas.
	Tags string
	// Flags compile a program whose Package is "." in another way than the usual one. Its
	// binary is another one: it is built only where the usual one is not there.
	Flags Flags
}

// Available reports why this machine cannot run the server, wrapping
// ErrUnavailable, or nil. It builds nothing: a server that has not been built yet
// is available where it can be built.
func (p Program) Available() error {
	if _, _, err := p.binary(); err != nil {
		return err
	}
	if p.Built() {
		return nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("program: %s is %w: install Go to build it", p.Name, ErrUnavailable)
	}
	return nil
}

// Built reports whether Build would have nothing to do.
func (p Program) Built() bool {
	path, _, err := p.binary()
	return err == nil && exists(path)
}

func exists(path string) bool {
	_, err := os.Stat(path) //nolint:gosec // it is in the user's own cache directory
	return err == nil
}

// Build builds the server unless it is built already, writes the go command's
// output to log, and returns the path of the binary. A nil log drops that output.
// Several processes that build at once wait for each other. An error wraps
// ErrUnavailable.
func (p Program) Build(ctx context.Context, log io.Writer) (string, error) {
	if log == nil {
		log = io.Discard
	}
	path, version, err := p.binary()
	if err != nil {
		return "", err
	}
	if exists(path) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("program: %s is %w: %w", p.Name, ErrUnavailable, err)
	}
	unlock, err := lock(ctx, filepath.Join(filepath.Dir(path), "lock"))
	if err != nil {
		return "", fmt.Errorf("program: %s is %w: %w", p.Name, ErrUnavailable, err)
	}
	defer unlock()
	if exists(path) {
		return path, nil // another process built it meanwhile
	}
	// What a killed build left is no object file, which go build refuses to replace.
	if err := os.Remove(path + ".part"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("program: %s is %w: %w", p.Name, ErrUnavailable, err)
	}
	_, _ = fmt.Fprintf(log, "building %s %s: this takes some minutes, once\n", p.Name, version)
	if err := p.compile(ctx, log, path+".part", version); err != nil {
		return "", err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return "", fmt.Errorf("program: %w", err)
	}
	return path, nil
}

// binary returns where the program is when it is built, and the version of its
// module.
func (p Program) binary() (path, version string, err error) {
	dir, err := p.sources()
	if err != nil {
		return "", "", err
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", "", fmt.Errorf("program: %w", err)
	}
	required := regexp.MustCompile(`(?m)^(?:require |\t)` + regexp.QuoteMeta(p.Module) + ` (v\S+)`).FindSubmatch(mod)
	if required == nil {
		return "", "", fmt.Errorf("program: %s is %w: %s does not require %s", p.Name, ErrUnavailable, dir, p.Module)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", fmt.Errorf("program: %s is %w: %w", p.Name, ErrUnavailable, err)
	}
	version = string(required[1])
	path = filepath.Join(cache, "rollcall", "engines", p.Name+"-"+version)
	if p.Package != "." {
		return path, version, nil
	}
	digest, err := contentDigest(dir, p.Tags)
	if err != nil {
		return "", "", err
	}
	path += "-" + digest
	if p.Flags != (Flags{}) && !exists(path) {
		path += quickSuffix
	}
	return path, version, nil
}

// quickSuffix ends the names of binaries that were built with other Flags than the usual
// ones. The Makefile knows it too.
const quickSuffix = "-quick"

// contentDigest names the content of the files in a directory, and how they are built,
// in 12 characters.
func contentDigest(dir, tags string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("program: %w", err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "tags %s\n", tags)
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return "", fmt.Errorf("program: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n", entry.Name(), len(body))
		sum.Write(body)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// sources returns the directory of the module that builds the program. It is
// found from this file's own checkout, else from the working directory.
func (p Program) sources() (string, error) {
	var starts []string
	if _, file, _, ok := runtime.Caller(0); ok {
		starts = append(starts, filepath.Dir(file))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, dir := range starts {
		for ; filepath.IsAbs(dir); dir = filepath.Dir(dir) {
			found := filepath.Join(dir, "deploy", "engines", p.Name)
			if _, err := os.Stat(filepath.Join(found, "go.mod")); err == nil {
				return found, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("program: %s is %w: deploy/engines/%s is not found: run this from the checkout", p.Name, ErrUnavailable, p.Name)
}

// compile runs the go command, for a vendor's program at a low priority: it takes
// minutes, and others work beside it.
func (p Program) compile(ctx context.Context, log io.Writer, to, version string) error {
	dir, err := p.sources()
	if err != nil {
		return err
	}
	flags := p.LinkerFlags
	if strings.Contains(flags, "%s") {
		flags = fmt.Sprintf(flags, version)
	}
	args := []string{"go", "build", "-buildvcs=false", "-mod=readonly"}
	if p.Package == "." {
		args = append(args, p.Flags.Args()...)
	}
	args = append(args, "-ldflags", flags, "-tags", p.Tags, "-o", to)
	// More memory for the compiler saves a fifth of its processor time.
	environ := append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOGC=400")
	environ = append(environ, p.Flags.Environ()...)
	modfile, remove, err := omit(ctx, dir, environ, to)
	if err != nil {
		return err
	}
	defer remove()
	if modfile != "" {
		args = append(args, "-modfile", modfile)
	}
	if p.Package != "." {
		// A vendor's program is built the vendor's way. Our own is built as the rest of
		// the checkout is, so that both use the same entries of the build cache.
		args, environ = append(args, "-trimpath"), append(environ, "CGO_ENABLED=0")
		if nice, err := exec.LookPath("nice"); err == nil {
			args = append([]string{nice}, args...)
		}
	}
	args = append(args, p.Package)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = environ
	output := &Tail{}
	cmd.Stdout, cmd.Stderr = log, io.MultiWriter(log, output)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("program: %s is %w: go build: %w\n%s", p.Name, ErrUnavailable, err, output)
	}
	return nil
}

// lock takes the file for this process, and waits while another has it.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("program: %s: %w", name, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("program: another process is building: %w", ctx.Err()), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
