package oracle

import (
	"cmp"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// accountName returns how people call the account, if that is known.
func accountName(m access.Member) string { return cmp.Or(m.Name, "account "+m.Ref) }
