package activities

import "github.com/rollcall-iam/rollcall/internal/access"

// Refusal returns the code of the warning about a step that failed, and reports whether
// the failure is permanent: it lasts until a user or an operator acts. The failure is a class as the
// ledger has it, such as TypeDenied.
func Refusal(failure string) (code access.Code, permanent bool) {
	return refusalCode(failure), lasting(failure)
}
