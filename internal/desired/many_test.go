package desired_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// cases returns a text with capital spelling where the number has bits.
func cases(text string, number int) string {
	spelling := []byte(strings.ToLower(text))
	for i := range spelling {
		if number>>i&1 == 1 {
			spelling[i] -= 'a' - 'A'
		}
	}
	return string(spelling)
}

// TestCompute_ManyUsersOfOneAccount: documents can hold as many spellings of one account as
// they hold users. What a plan allocates for them grows with their number, not with that of
// their pairs. The test is not parallel: it counts the bytes of the whole process.
func TestCompute_ManyUsersOfOneAccount(t *testing.T) {
	const users, factor = 1_000, 8
	one, all := allocated(t, users), allocated(t, factor*users)
	if all > 2*factor*one {
		t.Errorf("%d users of one account take %d bytes and %d users %d, want growth in proportion to the users",
			users, one, factor*users, all)
	}
}

// allocated returns how many bytes Compute allocates for users of one account.
func allocated(t *testing.T, users int) uint64 {
	t.Helper()
	in := pair()
	for i := range users {
		user := document.User{Name: fmt.Sprintf("user%d", i), EUID: cases("abcdefghijklmnopqrst", i)}
		in.Users = append(in.Users, user)
		in.UserBindings = append(in.UserBindings, document.Binding{
			Name: user.Name, Workspace: in.Project.Workspace, Project: in.Project.Name, Role: in.UserBindings[0].Role, Subject: user.Name,
		})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d := compute(t, in, desired.Options{Groups: true, AccountNames: identity.IgnoreCase})
	runtime.ReadMemStats(&after)
	if len(d.Shared) != users {
		t.Errorf("%d accounts are shared, want %d", len(d.Shared), users)
	}
	return after.TotalAlloc - before.TotalAlloc
}
