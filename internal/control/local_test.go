package control_test

import (
	"context"
	"net/url"
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

// TestLocal_WriterRole: the service needs no more rights on the database than servers and
// workers have.
func TestLocal_WriterRole(t *testing.T) {
	t.Parallel()
	controltest.Run(t, func(t *testing.T) controltest.Installation {
		s := storetest.OpenWriter(t)
		return controltest.Installation{Service: local(s), Store: s}
	})
}

// TestLocal_OneConnection: no method takes a second connection to the database while it holds
// one. Many that did, beside one that holds the lock of changes, would wait for each other.
func TestLocal_OneConnection(t *testing.T) {
	t.Parallel()
	controltest.Run(t, func(t *testing.T) controltest.Installation {
		t.Helper()
		address, err := url.Parse(storetest.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		query := address.Query()
		query.Set("pool_max_conns", "1")
		address.RawQuery = query.Encode()
		s, err := store.Open(t.Context(), address.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return controltest.Installation{Service: local(s), Store: s}
	})
}
