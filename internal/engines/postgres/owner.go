package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the user as whom the server runs: PostgreSQL refuses to run as root.
type owner struct {
	name string
	// credential is nil where that is the user who runs us.
	credential *syscall.Credential
}

// findOwner returns ourselves, or as root an unprivileged user.
func findOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return &owner{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("postgres: user %s: %w", name, err)
		}
		return &owner{name: name, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("postgres: PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// prepare makes the directory, if need be, and gives it to the owner.
func (o *owner) prepare(dir string) error {
	if err := makeParents(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("postgres: %w", err)
	}
	if o.credential == nil {
		return nil
	}
	if err := o.reaches(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Chown(dir, int(o.credential.Uid), int(o.credential.Gid)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// makeParents makes what is missing of a path so that everybody may pass.
func makeParents(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeParents(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // whatever the umask
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// reaches reports the first directory that the owner may not pass through.
func (o *owner) reaches(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		own := ok && stat.Uid == o.credential.Uid
		if info.Mode().Perm()&0o001 == 0 && !own {
			return fmt.Errorf("postgres: the user %s, as whom the server runs, cannot enter %s: choose another directory", o.name, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// command returns a command that runs as the owner, without our environment:
// PG* variables would change what the server does.
func (o *owner) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.credential}
	return cmd
}
