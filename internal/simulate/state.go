package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Load reads a simulator's state. A file that is not there leaves it as it is.
func Load(file string, state any) error {
	if file == "" {
		return nil
	}
	body, err := os.ReadFile(file) //nolint:gosec // whoever runs a simulator says where its state is
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if err := json.Unmarshal(body, state); err != nil {
		return fmt.Errorf("simulate: %s is not a simulator's state: %w", file, err)
	}
	return nil
}

// Save keeps a simulator's state, all of it or none: an interrupted Save leaves
// the one before. Without a file nothing is kept.
func Save(file string, state any) error {
	if file == "" {
		return nil
	}
	body, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	fresh, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	_, err = fresh.Write(body)
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), file)
	}
	if err != nil {
		_ = os.Remove(fresh.Name()) // the first error counts
		return fmt.Errorf("simulate: %w", err)
	}
	return nil
}
