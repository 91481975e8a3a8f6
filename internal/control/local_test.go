package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/control/controltest"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// platform returns a type of platform, as the programs do.
func platform(name string) (control.Platform, bool) {
	for _, t := range types.All() {
		if t.Name() == name {
			return control.Platform{Profile: t.Profile, Rules: desired.Rules{
				Options: reconcile.DesiredOptions(t.Profile), GroupsIgnoreCase: t.Profile.GroupsIgnoreCase, Fit: t.Validate,
			}}, true
		}
	}
	return control.Platform{}, false
}

// local returns a service on a store, without Temporal.
func local(s *store.Store) *control.Local {
	return &control.Local{
		Store:    func(context.Context) (*store.Store, error) { return s, nil },
		Temporal: func(context.Context) (control.Temporal, error) { return control.Temporal{}, engine.ErrUnreachable },
		Platform: platform,
		Now:      time.Now,
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	controltest.Run(t, func(t *testing.T) controltest.Installation {
		s := storetest.Open(t)
		return controltest.Installation{Service: local(s), Store: s}
	})
}
