package kubernetes

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
)

// Resolve implements driver.Driver without a call: there is nobody to ask.
func (*Driver) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	answers := make([]access.Resolution, len(accounts))
	for i, name := range accounts {
		answers[i].Found = access.No
		if rules.UserName(name) {
			name = string(rules.Profile().AccountNames.Key(name))
			answers[i] = access.Resolution{Found: access.Yes, Refs: []string{userRef(name)}}
		}
	}
	return answers, ctx.Err()
}
