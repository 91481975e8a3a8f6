package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is the path that stands for the standard input.
const Stdin = "-"

// maxFile is the size of the largest file that is read, in bytes.
const maxFile = 16 << 20

// Files reads the files at paths: files, directories with all below them, and "-" for
// stdin. It leaves out directories of tools and files of forms that it does not know. A
// file that cannot be read is a problem; a file that is too large, a note.
func Files(ctx context.Context, paths []string, stdin io.Reader) (files []File, problems, notes []Problem) {
	w := walker{}
	for _, path := range paths {
		if ctx.Err() != nil {
			break
		}
		if path == Stdin {
			w.stdin(stdin)
			continue
		}
		w.path(ctx, path)
	}
	return w.files, w.problems, w.notes
}

// walker collects files.
type walker struct {
	files           []File
	problems, notes []Problem
}

func (w *walker) fail(name string, err error) {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	w.problems = append(w.problems, Problem{name, "cannot be read: " + err.Error()})
}

func (w *walker) stdin(r io.Reader) {
	w.add("stdin", r, true)
}

// tooLarge is about a file that is not read to its end, which a device may not have.
func tooLarge(name string) Problem {
	return Problem{name, fmt.Sprintf("has more than %d bytes, which is the most that is read: split it", maxFile)}
}

// path reads a file or a directory.
func (w *walker) path(ctx context.Context, path string) {
	info, err := os.Stat(path)
	if err != nil {
		w.fail(path, err)
		return
	}
	if !info.IsDir() {
		w.file(path, true)
		return
	}
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			w.fail(name, err)
			return nil
		case entry.IsDir() && name != path && isToolDirectory(entry.Name()):
			return filepath.SkipDir
		case !entry.Type().IsRegular() || formatOf(name) == noFormat:
			return nil
		}
		w.file(name, false)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		w.fail(path, err)
	}
}

// isToolDirectory reports whether a directory belongs to a tool: its files are copies.
func isToolDirectory(name string) bool {
	switch name {
	case ".git", ".hg", ".svn", ".terraform", ".terragrunt-cache", "node_modules", "vendor", ".venv", "__pycache__":
		return true
	default:
		return false
	}
}

// file reads a file.
func (w *walker) file(name string, named bool) {
	file, err := os.Open(name) //nolint:gosec // the user names what to read
	if err != nil {
		w.fail(name, err)
		return
	}
	defer func() { _ = file.Close() }()
	w.add(name, file, named)
}

// add reads what a user named, or what a directory has.
func (w *walker) add(name string, r io.Reader, named bool) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		w.fail(name, err)
	case len(text) > maxFile && named:
		w.problems = append(w.problems, tooLarge(name))
	case len(text) > maxFile:
		w.notes = append(w.notes, tooLarge(name))
	case isBinary(text):
		if named {
			w.problems = append(w.problems, Problem{name, "is a binary file: pass the JSON of terraform show -json, not the plan itself"})
		}
	default:
		w.files = append(w.files, File{Name: filepath.ToSlash(name), Text: text, Named: named})
	}
}

// isBinary reports whether a file has a zero byte near its beginning, as git does.
func isBinary(text []byte) bool {
	return bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0
}

// extension returns the extension of a name in lower case.
func extension(name string) string { return strings.ToLower(filepath.Ext(name)) }
