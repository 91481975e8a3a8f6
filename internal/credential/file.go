package credential

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// maxFile is how many bytes a credential file may have. The largest that are in
// use are kubeconfigs of many clusters.
const maxFile = 1 << 20

// Stamp identifies the content of files. The zero Stamp stands for none.
type Stamp [sha256.Size]byte

// StampOf returns the stamp of the files' contents. Files that cannot be read count
// as empty; reading says why.
func StampOf(paths ...string) Stamp {
	sum, read := sha256.New(), false
	for _, path := range paths {
		if path == "" {
			continue
		}
		text, err := ReadFile(path)
		read = read || err == nil
		digest := sha256.Sum256(text)
		sum.Write(digest[:])
	}
	var stamp Stamp
	if read {
		sum.Sum(stamp[:0])
	}
	return stamp
}

// ReadFile returns the content of a credential file: a regular file of at most 1 MiB.
// Devices, pipes and directories are refused before a byte is read. The errors wrap
// fault.ErrDenied and name the path.
func ReadFile(path string) ([]byte, error) {
	// Without O_NONBLOCK a pipe that nobody writes to would be waited for.
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fault.ErrDenied, err)
	}
	text, err := readRegular(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", fault.ErrDenied, path, err)
	}
	return text, nil
}

func readRegular(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return text, err
}
