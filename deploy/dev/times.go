package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// worthNoting is how long work takes that is done once for a machine. What takes less
// found it done.
const worthNoting = 10 * time.Second

// times remembers how long work took the last time that there was any.
type times struct {
	file string

	mu      sync.Mutex
	seconds map[string]float64
}

// openTimes reads what the last start noted. A file that cannot be read is no reason
// not to start.
func openTimes(file string) *times {
	t := &times{file: file, seconds: map[string]float64{}}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &t.seconds)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) || t.seconds == nil {
		t.seconds = map[string]float64{}
	}
	return t
}

// note remembers a time.
func (t *times) note(what string, took time.Duration) error {
	if t == nil || took < worthNoting {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seconds[what] = took.Seconds()
	text, err := json.Marshal(t.seconds)
	if err == nil {
		err = os.WriteFile(t.file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("times: %w", err)
	}
	return nil
}

// last says how long something took the last time, or nothing.
func (t *times) last(what string) string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	seconds, known := t.seconds[what]
	if !known {
		return ""
	}
	return fmt.Sprintf(" (last time %s)", time.Duration(seconds*float64(time.Second)).Round(time.Second))
}
