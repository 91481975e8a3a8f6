package ledger_test

import (
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestForgetTakesOnlyWhatIsLostOfARemovedTenant(t *testing.T) {
	l, pool := freshOn(t)
	intend(t, l, run, createGroup(), createBinding())
	record(t, l, run, ledger.Outcome{Step: createGroup(), Ref: "g-1"}, ledger.Outcome{Step: createBinding(), Ref: "b-1"})
	role, group := plan.Owned{Key: owner.Key(), Ref: "b-1"}, plan.Owned{Key: admins.Key(), Ref: "g-1"}
	forget := func(settle time.Duration, lost ...access.Key) {
		t.Helper()
		if err := l.Forget(t.Context(), []ledger.Missing{{Tenant: tenant, Keys: lost, Propagation: settle}}); err != nil {
			t.Fatal(err)
		}
	}
	forget(0, owner.Key())
	owns(t, l, "the tenant is not removed, or is back", role, group)
	if _, err := pool.Exec(t.Context(), `INSERT INTO tombstones (tenant, workspace, project, platform, landing_zone, tenant_doc, project_doc, platform_doc)
		VALUES ($1, 'shop', 'web', 'lab', '', '{}', '{}', '{}')`, tenant.String()); err != nil {
		t.Fatal(err)
	}
	forget(time.Hour, owner.Key())
	owns(t, l, "it is so young that the platform may not show it yet", role, group)
	forget(0)
	owns(t, l, "nothing is lost", role, group)
	forget(0, access.Key{Kind: access.KindBinding, Role: "owner", Group: "another"})
	owns(t, l, "what is lost was somebody else's", role, group)
	forget(0, owner.Key())
	owns(t, l, "the group still exists", group)
}
