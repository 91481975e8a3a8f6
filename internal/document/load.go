package document

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stdinName is what problems call the standard input.
const stdinName = "<stdin>"

// Load reads documents from files, from directories with all that is below
// them (*.yaml, *.yml, *.json, sorted; nothing hidden), and from stdin for "-".
//
// The documents come in the order of paths, or not at all: the error is a
// Problems with everything that is wrong in any file, including files that are
// not there. A failure to read is another error.
func Load(paths []string, stdin io.Reader) ([]Document, Dropped, error) {
	var docs []Document
	var problems Problems
	dropped := Dropped{}
	for _, path := range paths {
		files, err := expand(path)
		if problems, err = collect(problems, err); err != nil {
			return nil, dropped, err
		}
		for _, file := range files {
			read, left, err := decodeFile(file, stdin)
			if problems, err = collect(problems, err); err != nil {
				return nil, dropped, err
			}
			docs = append(docs, read...)
			dropped.add(left)
		}
	}
	if err := problems.err(); err != nil {
		return nil, dropped, err
	}
	// The documents stay as long as the change is made: without the room that append left.
	return slices.Clone(docs), dropped, nil
}

// collect adds err to problems if it is such, and returns it if it is not.
func collect(problems Problems, err error) (Problems, error) {
	if more, ok := errors.AsType[Problems](err); ok {
		return append(problems, more...), nil
	}
	return problems, err
}

// expand returns the files that path stands for.
func expand(path string) ([]string, error) {
	if path == "-" {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case file != path && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !entry.IsDir() && hasDocuments(file):
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("document: read directory %s: %w", path, err)
	}
	if len(files) == 0 {
		return nil, Problems{{File: path, Text: "the directory holds no *.yaml, *.yml or *.json"}}
	}
	return files, nil
}

func hasDocuments(file string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(file)))
}

func decodeFile(file string, stdin io.Reader) ([]Document, Dropped, error) {
	if file == "-" {
		return Decode(stdin, stdinName)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, unreadable(file, err)
	}
	docs, dropped, err := Decode(f, file)
	return docs, dropped, errors.Join(err, f.Close())
}

// unreadable is a problem of the input where the path is wrong, and a failure
// otherwise.
func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return Problems{{File: path, Text: "there is no such file or directory"}}
	}
	return fmt.Errorf("document: read: %w", err)
}
