package activities

import (
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// Refusal returns the code of the warning about a step that failed, and reports whether
// the failure is permanent: see reconcile.Refusal.
func Refusal(failure string) (code access.Code, permanent bool) { return reconcile.Refusal(failure) }
