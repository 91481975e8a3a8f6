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
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		w.fail("stdin", err)
	case len(text) > maxFile:
		w.problems = append(w.problems, tooLarge("stdin", int64(len(text))))
	default:
		w.files = append(w.files, File{Name: "stdin", Text: text, Named: true})
	}
}

func tooLarge(name string, size int64) Problem {
	return Problem{name, fmt.Sprintf("has %d bytes; at most %d are read: split it", size, maxFile)}
}

// path reads a file or a directory.
func (w *walker) path(ctx context.Context, path string) {
	info, err := os.Stat(path)
	if err != nil {
		w.fail(path, err)
		return
	}
	if !info.IsDir() {
		w.file(path, info.Size(), true)
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
		info, err := entry.Info()
		if err != nil {
			w.fail(name, err)
			return nil
		}
		w.file(name, info.Size(), false)
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

// file reads a file. Of a binary file only the beginning is looked at.
func (w *walker) file(name string, size int64, named bool) {
	if size > maxFile {
		if named {
			w.problems = append(w.problems, tooLarge(name, size))
		} else {
			w.notes = append(w.notes, tooLarge(name, size))
		}
		return
	}
	text, err := os.ReadFile(name) //nolint:gosec // the user names what to read
	switch {
	case err != nil:
		w.fail(name, err)
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
