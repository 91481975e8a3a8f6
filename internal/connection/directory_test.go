package connection_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/connection"
)

func open(t testing.TB, dir string) *connection.Directory {
	t.Helper()
	d, err := connection.Open(dir, allTypes(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// again returns what the directory holds now, without waiting for the poll interval.
func again(t testing.TB, d *connection.Directory) *connection.Set {
	t.Helper()
	d.Expire()
	set, err := d.Current()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// replace puts a new file in place of another.
func replace(t testing.TB, path, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, filepath.Dir(file), map[string]string{"file": ""})
	for reason, dir := range map[string]string{"a missing directory": filepath.Join(t.TempDir(), "missing"), "a file": file, "no name": ""} {
		if _, err := connection.Open(dir, allTypes(t)); err == nil || !strings.Contains(err.Error(), connection.Variable) {
			t.Errorf("%s: Open: %v, want an error that names %s", reason, err, connection.Variable)
		}
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"broken.yaml": "x", "good.yaml": memory("good")})
	d := open(t, dir) // connections that are wrong are no error
	set, err := d.Current()
	if diff := cmp.Diff([]string{"good"}, names(set)); err != nil || diff != "" || set.Problems == nil {
		t.Errorf("%v, problems %v, connections (-want +got):\n%s", err, set.Problems, diff)
	}
	if d.Types() != allTypes(t) {
		t.Error("the types are others than those it was opened with")
	}
}

// TestDirectory_NoticesChangedContent: a file's time and size say nothing.
func TestDirectory_NoticesChangedContent(t *testing.T) {
	dir := t.TempDir()
	path, then := filepath.Join(dir, "c.yaml"), time.Unix(1_700_000_000, 0)
	put := func(text string) {
		t.Helper()
		// The file stays the same one, with the same size and time.
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, then, then)); err != nil {
			t.Fatal(err)
		}
	}
	put(memory("a"))
	d := open(t, dir)
	first := again(t, d)
	put(memory("b"))
	second := again(t, d)
	if diff := cmp.Diff([]string{"b"}, names(second)); diff != "" {
		t.Errorf("after a change (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a"}, names(first)); diff != "" {
		t.Errorf("the set that was read before changed (-want +got):\n%s", diff)
	}
}

// TestDirectory_KeepsTheSet: nothing is parsed again while nothing changes, also
// where a file's time does.
func TestDirectory_KeepsTheSet(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": memory("a"), "broken.yaml": "x", "large.yaml": strings.Repeat("#", 1<<20+1)})
	d := open(t, dir)
	first := again(t, d)
	now := time.Now()
	if err := os.Chtimes(filepath.Join(dir, "a.yaml"), now, now); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"world.json": "{}"})
	if again(t, d) != first {
		t.Error("the set is another one, and no connection changed")
	}
	write(t, dir, map[string]string{"b.yaml": ""})
	if again(t, d) == first {
		t.Error("the set is the same after a file came")
	}
}

// TestDirectory_Polls: changes are noticed after the poll interval, and not before.
func TestDirectory_Polls(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"c.yaml": memory("a")})
	d := open(t, dir)
	first := again(t, d)
	replace(t, filepath.Join(dir, "c.yaml"), memory("b"))
	if set, err := d.Current(); set != first || err != nil {
		t.Errorf("within the interval: another set, %v", err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		set, err := d.Current()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := set.Get("b"); ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the change is never noticed")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestDirectory_FollowsTheDataLink: a cluster renews a mount by pointing one link at
// another folder.
func TestDirectory_FollowsTheDataLink(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, dir, map[string]string{"..1/c.yaml": memory("a"), "..1/d.yaml": memory("d"), "..2/c.yaml": memory("b")})
	if err := errors.Join(os.Symlink("..1", in("..data")), os.Symlink("..data/c.yaml", in("c.yaml")), os.Symlink("..data/d.yaml", in("d.yaml"))); err != nil {
		t.Fatal(err)
	}
	d := open(t, dir)
	if diff := cmp.Diff([]string{"a", "d"}, names(again(t, d))); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	if err := errors.Join(os.Symlink("..2", in("..tmp")), os.Rename(in("..tmp"), in("..data")), os.RemoveAll(in("..1"))); err != nil {
		t.Fatal(err)
	}
	set := again(t, d)
	if diff := cmp.Diff([]string{"b"}, names(set)); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
	if set.Problems == nil {
		t.Error("a link that leads nowhere is no problem")
	}
	if err := os.Remove(in("d.yaml")); err != nil {
		t.Fatal(err)
	}
	if set := again(t, d); set.Problems != nil {
		t.Errorf("after the link is gone: %v", set.Problems)
	}
}

// TestDirectory_LosesBrokenConnectionsOnly: a file that becomes invalid takes its own
// connections away, and those that are composed of them.
func TestDirectory_LosesBrokenConnectionsOnly(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.yaml": memory("a"), "aks.yaml": composed("{directory: dir, cluster: clu}"), "clu.yaml": clusterText, "dir.yaml": directoryText,
	})
	d := open(t, dir)
	if diff := cmp.Diff([]string{"a", "aks", "clu", "dir"}, names(again(t, d))); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	for _, step := range []struct {
		reason string
		text   string
		want   []string
		broken bool
	}{
		{"half a file, as an editor writes it", clusterText[:20], []string{"a", "dir"}, true},
		{"a file without its field", "{kind: Connection, name: clu, type: kubernetes, usedBy: []}", []string{"a", "dir"}, true},
		{"an empty file", "", []string{"a", "dir"}, true},
		{"a connection of the same name", clusterText + "\n---\n" + memory("a"), []string{"aks", "clu", "dir"}, true},
		{"as it was", clusterText, []string{"a", "aks", "clu", "dir"}, false},
	} {
		replace(t, filepath.Join(dir, "clu.yaml"), step.text)
		set := again(t, d)
		if diff := cmp.Diff(step.want, names(set)); diff != "" || (set.Problems != nil) != step.broken {
			t.Errorf("%s: problems %v, connections (-want +got):\n%s", step.reason, set.Problems, diff)
		}
	}
}

// TestDirectory_Unreadable: what cannot be read is not taken for what was there.
func TestDirectory_Unreadable(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "connections")
	write(t, dir, map[string]string{"c.yaml": memory("a")})
	d := open(t, dir)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.Expire()
		if set, err := d.Current(); err == nil || set != nil || !strings.Contains(err.Error(), connection.Variable) {
			t.Errorf("Current of a directory that is gone = %v, %v, want an error that names %s", set, err, connection.Variable)
		}
	}
	if set, err := d.Current(); err == nil || set != nil { // also within the interval
		t.Errorf("Current of a directory that is gone = %v, %v", set, err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	set, err := d.Current() // at once
	if diff := cmp.Diff([]string{"a"}, names(set)); err != nil || diff != "" {
		t.Errorf("after it is back: %v, connections (-want +got):\n%s", err, diff)
	}
}

// TestDirectory_IsSafe for use by many goroutines.
func TestDirectory_IsSafe(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"c.yaml": memory("a")})
	d := open(t, dir)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				d.Expire()
				set, err := d.Current()
				if err != nil {
					t.Error(err)
					return
				}
				if got := names(set); len(got) != 1 {
					t.Errorf("connections %v, want one: %v", got, set.Problems)
				}
			}
		})
	}
	for i := range 20 {
		replace(t, filepath.Join(dir, "c.yaml"), memory([]string{"a", "b"}[i%2]))
	}
	wait.Wait()
}
