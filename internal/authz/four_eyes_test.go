package authz_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
)

func causes(actors ...access.Actor) []access.Actor { return actors }

func TestFourEyes(t *testing.T) {
	t.Parallel()
	ada, ben := user(t, "ada"), user(t, "ben")
	pipeline := actor(t, access.Workload, "https://token.actions.githubusercontent.com", "repo:example/access")
	sweep := access.Actor{Kind: access.System, Name: "sweep"}
	adaHost, benHost := access.Actor{Kind: access.OSUser, Name: "ada@ops"}, access.Actor{Kind: access.OSUser, Name: "ben@ops"}
	strict, lax := authz.FourEyes{}, authz.FourEyes{AcceptOSUsers: true}
	for _, tt := range []struct {
		reason  string
		rule    authz.FourEyes
		decider access.Actor
		causes  []access.Actor
		want    bool
		text    string // part of the reason
	}{
		{"a second user", strict, ben, causes(ada), true, "caused none"},
		{"the author", strict, ada, causes(ada), false, "ask another approver"},
		{"one of the authors", strict, ada, causes(ben, ada), false, "a change of their own"},
		{"the order does not matter", strict, ada, causes(ada, ben), false, "a change of their own"},
		{"several others", strict, user(t, "cyd"), causes(ada, ben), true, ""},
		{"an unknown author may be the decider", strict, ben, causes(access.Actor{}), false, "not verified"},
		{"an author who only claims a name", strict, ben, causes(access.Actor{Claim: "ada"}), false, "not verified"},
		{"an unknown author among others", strict, ben, causes(ada, access.Actor{}), false, "not verified"},
		{"a host's user may be the decider", strict, ben, causes(adaHost), false, "not verified"},
		{"a verified author with a name that is none", strict, ben, causes(access.Actor{Kind: access.VerifiedUser, Name: "ada"}), false, "not verified"},
		{"a workload with a name that is none", strict, ben, causes(access.Actor{Kind: access.Workload, Name: "ci"}), false, "not verified"},
		{"no record of any author", strict, ben, nil, false, "no record"},
		{"the schedule is no user", strict, ben, causes(sweep), true, ""},
		{"the schedule does not hide an author", strict, ada, causes(sweep, ada), false, "a change of their own"},
		{"a pipeline's change, decided by a user", strict, ben, causes(pipeline), true, ""},
		{"a pipeline decides nothing", strict, pipeline, causes(ada), false, "workload"},
		{"an unknown decider", strict, access.Actor{}, causes(ada), false, "sign in"},
		{"the schedule decides nothing", strict, sweep, causes(ada), false, "sign in"},
		{"a host's user as the decider", strict, benHost, causes(ada), false, "sign in"},
		{"a decider who claims another name", strict, access.Actor{Kind: ada.Kind, Name: ada.Name, Claim: "ben"}, causes(ada), false, "a change of their own"},
		{"the same subject of another issuer", strict, actor(t, access.VerifiedUser, "https://other.example.com", "ada"), causes(ada), true, ""},
		{"another spelling of the issuer", strict, actor(t, access.VerifiedUser, issuer+"/", "ada"), causes(ada), false, "a change of their own"},
		{"another case of the issuer", strict, actor(t, access.VerifiedUser, "https://LOGIN.example.com", "ada"), causes(ada), false, "a change of their own"},
		{"an issuer without its scheme", strict, actor(t, access.VerifiedUser, "login.example.com", "ada"), causes(ada), false, "a change of their own"},
		{"subjects have a case", strict, user(t, "ADA"), causes(ada), true, ""},
		{"a workload with the decider's subject", strict, ada, causes(actor(t, access.Workload, issuer, "ada")), false, "a change of their own"},
		{"hosts' users, where they are accepted", lax, benHost, causes(adaHost), true, ""},
		{"the same user of a host", lax, adaHost, causes(adaHost), false, "a change of their own"},
		{"hosts have no case", lax, adaHost, causes(access.Actor{Kind: access.OSUser, Name: "ada@OPS"}), false, "a change of their own"},
		{"a claim makes no second user", lax, access.Actor{Kind: access.OSUser, Name: "ada@ops", Claim: "ben"}, causes(adaHost), false, "a change of their own"},
		{"an unknown author stays unknown", lax, benHost, causes(access.Actor{}), false, "not verified"},
		{"a host's user without a name", lax, ben, causes(access.Actor{Kind: access.OSUser}), false, "not verified"},
	} {
		d := tt.rule.Check(authz.ApproveRemoval, tt.decider, tt.causes)
		if d.Allowed != tt.want {
			t.Errorf("%s: %+v, want allowed: %t", tt.reason, d, tt.want)
		}
		contains(t, tt.reason, d.Reason, tt.text)
	}
}

func TestFourEyes_CheckAny(t *testing.T) {
	t.Parallel()
	ada, ben := user(t, "ada"), user(t, "ben")
	for _, tt := range []struct {
		reason    string
		proposers []access.Actor
		want      bool
		text      string
	}{
		{"a change that no user has planned", nil, false, "apply --plan"},
		{"the decider alone planned it", []access.Actor{ben}, false, "a change of their own"},
		{"another user planned it", []access.Actor{ada}, true, "caused none"},
		{"the decider planned it, too", []access.Actor{ben, ada}, true, "caused none"},
		{"in the other order", []access.Actor{ada, ben}, true, "caused none"},
		{"an unknown actor planned it", []access.Actor{{}}, false, "not verified"},
		{"a user of a host planned it", []access.Actor{{Kind: access.OSUser, Name: "ada@ops"}}, false, "not verified"},
		{"Rollcall is no user who proposes", []access.Actor{{Kind: access.System, Name: "sweep"}}, false, "apply --plan"},
	} {
		d := authz.FourEyes{}.CheckAny(authz.ChangeGuard, ben, tt.proposers)
		if d.Allowed != tt.want {
			t.Errorf("%s: %+v, want allowed: %t", tt.reason, d, tt.want)
		}
		contains(t, tt.reason, d.Reason, tt.text)
	}
}

// TestFourEyes_NoActorDecidesAboutItself: whatever the causes, one of them never decides, and
// more causes never turn a denial into a permission.
func TestFourEyes_NoActorDecidesAboutItself(t *testing.T) {
	t.Parallel()
	actors := []access.Actor{
		{}, {Kind: access.System, Name: "sweep"}, {Kind: access.OSUser, Name: "ada@ops"}, {Kind: access.OSUser, Name: "ben@ops", Claim: "ada"},
		user(t, "ada"), user(t, "ben"), actor(t, access.Workload, issuer, "ci"), {Kind: access.VerifiedUser, Name: "x"},
	}
	rapid.Check(t, func(t *rapid.T) {
		rule := authz.FourEyes{AcceptOSUsers: rapid.Bool().Draw(t, "accept")}
		before := rapid.SliceOfN(rapid.SampledFrom(actors), 1, 4).Draw(t, "causes")
		decider := rapid.SampledFrom(actors).Draw(t, "decider")
		d := rule.Check(authz.Adopt, decider, before)
		if d.Allowed && slices.ContainsFunc(before, func(a access.Actor) bool { return a.ID() == decider.ID() }) {
			t.Fatalf("%v decides about %v: %s", decider, before, d.Reason)
		}
		after := append(slices.Clone(before), rapid.SampledFrom(actors).Draw(t, "one more"))
		if !d.Allowed && rule.Check(authz.Adopt, decider, after).Allowed {
			t.Fatalf("one more cause allows it: %v about %v", decider, after)
		}
	})
}

// TestActions_AreThoseOfOperations: every action belongs to an operation, and the other way
// round.
func TestActions_AreThoseOfOperations(t *testing.T) {
	t.Parallel()
	known, used := map[authz.Action]bool{}, map[authz.Action]bool{}
	for _, rule := range authz.Actions() {
		known[rule.Action] = true
	}
	for _, op := range authz.Operations() {
		for _, action := range op.FourEyes {
			used[action] = true
			if !known[action] {
				t.Errorf("%s has the unknown action %q", op.Operation, action)
			}
		}
	}
	for action := range known {
		if !used[action] {
			t.Errorf("no operation has the action %q", action)
		}
	}
}
