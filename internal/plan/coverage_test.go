package plan_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle"
	frozen "github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// TestOracleReachesEveryKind fails when the worlds of TestOracle do not reach a
// kind of step, pending approval, replacement or warning, or a text of the oracle,
// within a fixed number of draws: the comparison would say nothing about it. The
// draws are the same in each run.
func TestOracleReachesEveryKind(t *testing.T) {
	const draws = 250 // of each world
	seen, texts := map[string]int{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(worlds())) {
		world := rapid.Custom(worlds()[name])
		for seed := range draws {
			in := oracleInput(world.Example(seed))
			p := oracle.Make(in)
			count(seen, in, p)
			revoke := oracle.Revoke(in, []string{"u1", "u2"})
			count(seen, oracle.Input{}, revoke)
			for _, text := range slices.Concat(textsOf(p), textsOf(revoke)) {
				texts[text] = true
			}
		}
	}
	for _, kind := range kinds() {
		if seen[kind] == 0 {
			t.Errorf("no draw reaches %q: extend the worlds", kind)
		}
		t.Logf("%5d of %d: %s", seen[kind], draws*len(worlds()), kind)
	}
	all := strings.Join(slices.Sorted(maps.Keys(texts)), "\n")
	for literal, pattern := range oracleTexts(t) {
		if !pattern.MatchString(all) {
			t.Errorf("no draw reaches the text %q of the oracle: extend the worlds", literal)
		}
	}
}

// kinds lists what has to be reached.
func kinds() []string {
	all := []string{
		"step: create group", "step: change group", "step: delete group", "step: change members",
		"step: create binding", "step: change binding", "step: delete binding", "step: create account",
		"pending: delete group", "pending: change members", "pending: change binding", "pending: delete binding", "pending: create binding",
		"replaced: recreate", "replaced: strict", "replaced: waits", "replaced: removes", "replaced: several old groups",
		"replaced: loses roles", "replaced: copies a role",
		"group: other name", "group: other case", "group: same name",
		"binding: other condition", "member: kept",
		"input: closed", "input: gone", "input: approved", "input: rejected", "input: left over for later", "input: per member",
	}
	for _, code := range []frozen.Code{
		frozen.RemovalHeld, frozen.ObjectForeign, frozen.OwnershipUnclear, frozen.ForeignPermissionKept, frozen.ForeignPermissionRemoved,
		frozen.ForeignMemberRemoved, frozen.UserRevoked, frozen.RenameWaiting, frozen.CleanupOff,
	} {
		all = append(all, "warning: "+string(code))
	}
	return all
}

// count counts what the plan has of each kind.
func count(seen map[string]int, in oracle.Input, p oracle.Plan) {
	kinds := map[string]bool{
		"input: closed": in.Rules.Guard.Closed != "", "input: gone": in.Rules.Gone, "input: approved": len(in.Approved) > 0,
		"input: rejected":            slices.ContainsFunc(in.Rejected, func(r oracle.Rejection) bool { return r.By != "" }),
		"input: left over for later": slices.ContainsFunc(in.Rejected, func(r oracle.Rejection) bool { return r.By == "" }),
		"input: per member":          in.Rules.Separate,
	}
	for _, s := range p.Steps {
		kinds["step: "+string(s.Op)+" "+string(s.Kind)] = true
		switch have, want := s.Have, s.Want; {
		case s.Carries != "":
			kinds["replaced: copies a role"] = true
		case have.Group != nil && want.Group != nil && have.Group.Name == want.Group.Name:
			kinds["group: same name"] = true
		case have.Group != nil && want.Group != nil && strings.EqualFold(have.Group.Name, want.Group.Name):
			kinds["group: other case"] = true
		case have.Group != nil && want.Group != nil:
			kinds["group: other name"] = true
		case have.Binding != nil && want.Binding != nil && have.Binding.Condition != want.Binding.Condition:
			kinds["binding: other condition"] = true
		}
		for _, who := range s.Adds() {
			kinds["member: kept"] = kinds["member: kept"] || strings.HasPrefix(who.Why, "kept in ")
		}
	}
	for _, s := range p.Held {
		kinds["pending: "+string(s.Op)+" "+string(s.Kind)] = true
	}
	for _, r := range p.Renames {
		kinds["replaced: "+string(r.Mode)] = true
		for kind, is := range map[string]bool{
			"waits": r.Waits, "removes": len(r.Remove) > 0, "several old groups": len(r.Also) > 0, "loses roles": len(r.Loses) > 0,
		} {
			kinds["replaced: "+kind] = kinds["replaced: "+kind] || is
		}
	}
	for _, r := range p.Remarks {
		kinds["warning: "+string(r.Code)] = true
	}
	for kind, is := range kinds {
		if is {
			seen[kind]++
		}
	}
}

// textsOf returns all texts of the plan: reasons and warnings.
func textsOf(p oracle.Plan) []string {
	var texts []string
	for _, s := range slices.Concat(p.Steps, p.Held) {
		texts = append(texts, s.Why)
		for _, who := range slices.Concat(s.Adds(), s.Removes()) {
			texts = append(texts, who.Why)
		}
	}
	for _, r := range p.Remarks {
		texts = append(texts, r.Text)
	}
	return texts
}

var verb = regexp.MustCompile(`%[qsd]`)

// oracleTexts returns the texts in the source of the oracle, each with a pattern of
// what is made of it. A text is a literal with a space in it.
func oracleTexts(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	names, err := filepath.Glob("oracle/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no source of the oracle: %v", err)
	}
	texts := map[string]*regexp.Regexp{}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING || literal.Value[0] == '`' || !strings.Contains(literal.Value, " ") {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			if _, out := notReached()[text]; out {
				return true
			}
			parts := verb.Split(text, -1)
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			texts[text] = regexp.MustCompile(strings.Join(parts, ".*"))
			return true
		})
	}
	return texts
}

// notReached are texts of the oracle that are in no plan, with the reason.
func notReached() map[string]string {
	return map[string]string{
		"ref ": "the key of an index", "name ": "the key of an index",
		"account ": "part of an ID, and a unit's name", "binding ": "a unit's name", "group ": "a unit's name",
		" → ": "part of a name",
	}
}
