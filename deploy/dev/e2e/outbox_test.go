package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestApplyKilled kills rollcall apply --replicate 20 times, each time a little later: before it
// stores anything, between the commit and the start of the run, and after it. Whatever is stored
// is replicated without another command, and nothing else is.
func TestApplyKilled(t *testing.T) {
	t.Parallel()
	const kills = 20
	s := newStack(t)
	file, org := memoryWorld(s, 1, kills)
	s.worker()
	role := roles[0]
	documents := org.documents()
	bindings := make([]string, kills)
	for n := range kills {
		bindings[n] = bindingName(0, role, n)
	}
	s.apply(without(documents, bindings...))
	s.replicate(done)
	db := s.open()
	defer db.Close()
	stored := 0
	for n := range kills {
		one := fmt.Sprintf(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s}, roleRef: {name: %s}, `+
			`targetRef: {name: %s, ownedByWorkspace: acme}, subject: {name: %s}}`, bindings[n], role, tenantID(0), person(role, n))
		cmd := exec.Command(filepath.Join(s.bin, "rollcall"), "apply", "-", "--replicate")
		cmd.Env, cmd.Stdin = s.environ, strings.NewReader(one)
		before := changesOf(t, db)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Odd ones die as soon as the documents are stored, which is when the start is not
		// made; the others at some time.
		deadline := time.Now().Add(time.Duration(n) * 20 * time.Millisecond)
		for n%2 == 1 && changesOf(t, db) == before && time.Now().Before(deadline.Add(patience)) {
			time.Sleep(time.Millisecond)
		}
		if n%2 == 0 {
			time.Sleep(time.Until(deadline))
		}
		kill(cmd)
		found, err := db.Documents(t.Context(), store.Filter{Kind: document.KindUserBinding, Name: bindings[n]})
		if err != nil {
			t.Fatal(err)
		}
		account := "u-" + person(role, n)
		if len(found) == 0 {
			if isMember(world(t, file), account) {
				t.Errorf("kill %d: %s has access, and no binding is stored", n, account)
			}
			continue
		}
		stored++
		s.eventually(fmt.Sprintf("the run of kill %d", n), func() bool { return isMember(world(t, file), account) })
	}
	if stored < kills/2 {
		t.Errorf("%d of %d killed commands had stored their document: each odd one should", stored, kills)
	}
	s.eventually("an empty outbox", func() bool {
		state, err := db.Outbox(t.Context())
		return err == nil && state.Starts == 0
	})
	s.oneRecordAStep()
}

// changesOf counts the changes of the documents.
func changesOf(t *testing.T, db *store.Store) int64 {
	t.Helper()
	revision, err := db.Generation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return revision
}
