package desired_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// cases returns a text with capital letters where the number has bits.
func cases(text string, number int) string {
	letters := []byte(strings.ToLower(text))
	for i := range letters {
		if number>>i&1 == 1 {
			letters[i] -= 'a' - 'A'
		}
	}
	return string(letters)
}

// TestCompute_ManyUsersOfOneAccount: documents can hold as many spellings of one account as
// they hold users, and a plan must not wait for all pairs of them.
func TestCompute_ManyUsersOfOneAccount(t *testing.T) {
	t.Parallel()
	const users, limit = 20_000, 10 * time.Second
	in := pair()
	for i := range users {
		user := document.User{Name: fmt.Sprintf("user%d", i), EUID: cases("abcdefghijklmnopqrst", i)}
		in.Users = append(in.Users, user)
		in.UserBindings = append(in.UserBindings, document.Binding{
			Name: user.Name, Workspace: in.Project.Workspace, Project: in.Project.Name, Role: in.UserBindings[0].Role, Subject: user.Name,
		})
	}
	started := time.Now()
	d := compute(t, in, desired.Options{Groups: true, AccountNames: identity.IgnoreCase})
	if took := time.Since(started); took > limit {
		t.Errorf("%d users of one account take %s, want less than %s", users, took, limit)
	}
	if len(d.Shared) != users {
		t.Errorf("%d accounts are shared, want %d", len(d.Shared), users)
	}
}
