package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// User is as whom a server runs.
type User struct {
	name string
	// credential is nil where that is the user who runs us.
	credential *syscall.Credential
}

// Unprivileged returns ourselves, or where we are root the first of the users
// that exists.
func Unprivileged(names ...string) (*User, error) {
	if os.Geteuid() != 0 {
		return &User{}, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("child: user %s: %w", name, err)
		}
		return &User{name: name, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, fmt.Errorf("child: this server is not run as root, and there is no user %s", strings.Join(names, " or "))
}

// Own makes the directory, if need be, for the user alone. What is missing on the
// way to it is made so that everybody may pass.
func (u *User) Own(dir string) error {
	if err := makeParents(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("child: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("child: %w", err)
	}
	if u.credential == nil {
		return nil
	}
	if err := u.reaches(filepath.Dir(dir)); err != nil {
		return err
	}
	return u.Give(dir)
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
		return fmt.Errorf("child: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // whatever the umask
		return fmt.Errorf("child: %w", err)
	}
	return nil
}

// reaches reports the first directory that the user may not pass through.
func (u *User) reaches(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("child: %w", err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		own := ok && stat.Uid == u.credential.Uid
		if info.Mode().Perm()&0o001 == 0 && !own {
			return fmt.Errorf("child: the user %s, as whom the server runs, cannot enter %s: choose another directory", u.name, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// Give makes the user own the path.
func (u *User) Give(path string) error {
	if u.credential == nil {
		return nil
	}
	if err := os.Chown(path, int(u.credential.Uid), int(u.credential.Gid)); err != nil {
		return fmt.Errorf("child: %w", err)
	}
	return nil
}

// Command returns a command that runs as the user, in an environment of its own:
// ours may hold variables that would change what a server does.
func (u *User) Command(ctx context.Context, environ []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential}
	return cmd
}
