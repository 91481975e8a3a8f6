package plan_test

import (
	"cmp"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle"
	frozen "github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// oracleMeaning returns the meaning of a plan of the oracle, as meaningOf does for
// the planner.
func oracleMeaning(p oracle.Plan) meaning {
	m := meaning{
		tenant: p.Tenant.String(), removes: p.Removes(),
		steps: each(p.Steps, oracleAction), pending: each(p.Held, oracleAction),
		byObject: oracleSchedule(p, oracle.PerObject), byTenant: oracleSchedule(p, oracle.PerTenant),
	}
	for _, r := range p.Renames {
		m.replaced = append(m.replaced, groupReplacement{
			mode: string(r.Mode), to: r.To, from: each(append([]frozen.Group{r.From}, r.Also...), oracleGroup),
			build: r.Build, remove: r.Remove, waits: r.Waits, loses: each(r.Loses, oracleBinding),
		})
	}
	for _, r := range p.Remarks {
		m.warnings = append(m.warnings, string(r.Code)+" "+r.Object)
	}
	return m
}

func oracleAction(s oracle.Step) action {
	return action{
		id: s.ID, verb: string(s.Op), kind: string(s.Kind), key: oracleKey(s.Key()),
		have: oracleObject(s.Have), want: oracleObject(s.Want),
		adds: each(s.Adds(), oracleMember), takes: each(s.Removes(), oracleMember),
		removals: each(s.Removals(), oracleRemoval), copies: s.Carries, needs: s.Needs,
	}
}

func oracleObject(o oracle.Object) string {
	switch {
	case o.Group != nil:
		return oracleGroup(*o.Group)
	case o.Members != nil:
		return fields("members", "group", o.Members.Group, "id", o.Members.GroupRef) + accountList(each(o.Members.Accounts, oracleMember))
	case o.Binding != nil:
		return oracleBinding(*o.Binding)
	case o.Account != nil:
		a := o.Account
		return fields("account", "name", a.Name, "id", a.Ref, "user", a.Person, "email", a.Email, "first", a.FirstName, "last", a.LastName)
	default:
		return ""
	}
}

func oracleGroup(g frozen.Group) string {
	return fields("group", "name", g.Name, "id", g.Ref, "serves", g.Serves, "mark", oracleMark(g.Mark)) + accountList(each(g.Members, oracleMember))
}

func oracleBinding(b frozen.Binding) string {
	return fields("binding", "role", b.Role, "name", b.Name, "group", b.Group, "groupId", b.GroupRef, "id", b.Ref,
		"condition", b.Condition, "version", b.Version, "mark", oracleMark(b.Mark),
		"shielded", flag01(b.Shielded), "inUse", flag01(b.InUse), "copied", flag01(b.Carried)) + accountList(each(b.Subjects, oracleMember))
}

func oracleMember(m frozen.Member) string {
	return fields(cmp.Or(m.Ref, "-"), "name", m.Name, "user", m.Person)
}

func oracleMark(m frozen.Mark) string {
	return group(fields("", "installation", m.Installation, "tenant", m.Tenant, "unread", flag01(m.Unread)))
}

func oracleKey(k frozen.Key) string {
	return fields(string(k.Kind), "group", k.Group, "role", k.Role, "name", k.Name)
}

func oracleRemoval(r oracle.Removal) string {
	return fields(oracleKey(r.Object), "id", r.Ref)
}

func oracleSchedule(p oracle.Plan, u oracle.Unit) schedule {
	all := p.Schedule(u)
	out := schedule{"1 now": oracleUnits(all.Now), "3 after": oracleUnits(all.After)}
	for i, r := range all.Renamings {
		to := p.Renames[i].To
		out["2 replace by "+to+", build"], out["2 replace by "+to+", remove"] = oracleUnits(r.Build), oracleUnits(r.Remove)
	}
	return out
}

func oracleUnits(waves [][]oracle.Work) [][][]string {
	return each(waves, func(wave []oracle.Work) [][]string {
		return each(wave, func(w oracle.Work) []string { return w.Steps })
	})
}
