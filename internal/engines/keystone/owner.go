package keystone

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

// owner is the user as whom the server runs.
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
	for _, name := range []string{"keystone", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("keystone: user %s: %w", name, err)
		}
		return &owner{name: name, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("keystone: Keystone is not run as root, and there is no user keystone or nobody")
}

// prepare makes the directory, if need be, and gives it to the owner.
func (o *owner) prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	if err := o.reaches(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	return o.give(dir)
}

// give makes the owner own the path.
func (o *owner) give(path string) error {
	if o.credential == nil {
		return nil
	}
	if err := os.Chown(path, int(o.credential.Uid), int(o.credential.Gid)); err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	return nil
}

// reaches reports the first directory that the owner may not pass through.
func (o *owner) reaches(dir string) error {
	if o.credential == nil {
		return nil
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("keystone: %w", err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		own := ok && stat.Uid == o.credential.Uid
		if info.Mode().Perm()&0o001 == 0 && !own {
			return fmt.Errorf("keystone: the user %s, as whom the server runs, cannot enter %s: choose another directory", o.name, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// command returns a command of Debian's Python that runs as the owner, without
// our environment: OS_* and PYTHON* variables would change what it does.
func (o *owner) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "LC_ALL=C.UTF-8", "TZ=UTC", "PYTHONDONTWRITEBYTECODE=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.credential}
	return cmd
}
