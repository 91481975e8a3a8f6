package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

//go:generate go test -run ^TestAccountNamesPage$ -update-docs .

// TestAccountNamesPage compares deploy/docs/account-names.md with what documents and the
// platform types' comparisons make of the attack names that every driver is tested with. With
// -update-docs it writes the page.
func TestAccountNamesPage(t *testing.T) {
	file := filepath.Join("..", "deploy", "docs", "account-names.md")
	want := accountNamesPage(t)
	if *updateDocs {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, string(have)); diff != "" {
		t.Errorf("%s is stale: run `go generate ./starter` (-want +got):\n%s", file, diff)
	}
}

func accountNamesPage(t *testing.T) string {
	t.Helper()
	byRule := map[identity.Comparison][]string{}
	for _, platform := range types.All() {
		p := platform.Profile
		byRule[p.AccountNames] = append(byRule[p.AccountNames], "`"+p.Type+"`")
	}
	rules := []identity.Comparison{identity.IgnoreCase, identity.Exact}
	var b strings.Builder
	b.WriteString("# Account names\n\n<!-- `make docs` writes this page -->\n\n" +
		"What becomes of names that a careless lookup takes for the name of another user, or for a\n" +
		"part of a query. Every driver is tested with them. Characters beyond ASCII are written as\n" +
		"escapes.\n\n" +
		"A name that is its own is never the account of another user: a platform that has no\n" +
		"account of this name, or cannot have one, answers that it is not found. Users of two names\n" +
		"that are the same get a warning, or are refused: see [Accounts](platforms.md#accounts).\n" +
		"A refusal is that of an `euid` by apply.\n\n")
	line := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	header := []string{"Name", "Why"}
	for _, rule := range rules {
		header = append(header, strings.Join(byRule[rule], ", "))
	}
	line(header...)
	b.WriteString("|---|---|---|---|\n")
	names := drivertest.BaseNames()
	for _, attack := range drivertest.AttackNames(t) {
		cells := []string{codeText(attack.Name), attack.Reason}
		refusal := refusalOf(t, attack.Name)
		for _, rule := range rules {
			cells = append(cells, cmp.Or(refusal, sameAs(rule, attack.Name, names)))
		}
		line(cells...)
		if refusal == "" {
			names = append(names, attack.Name)
		}
	}
	return b.String()
}

// refusalOf returns why documents with this euid are refused, or "".
func refusalOf(t *testing.T, euid string) string {
	t.Helper()
	docs, _, err := document.Decode(strings.NewReader(fmt.Sprintf(
		"{apiVersion: v2, kind: meshUser, metadata: {name: user}, spec: {email: user@example.com, firstName: U, lastName: S, euid: %s}}\n",
		strconv.QuoteToASCII(euid))), "user.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := document.NewSet(docs)
	if err != nil {
		t.Fatal(err)
	}
	if set.Validate(time.Now()) == nil {
		return ""
	}
	if err = identity.Check(euid); err == nil {
		t.Fatalf("%s: documents refuse the euid for another reason than its name", identity.Quote(euid))
	}
	return "refused: " + strings.TrimPrefix(err.Error(), "identity: "+identity.ErrName.Error()+": ")
}

// sameAs returns the name that is the same account under the rule.
func sameAs(rule identity.Comparison, name string, names []string) string {
	i := slices.IndexFunc(names, func(other string) bool { return rule.Same(name, other) })
	if i < 0 {
		return "its own"
	}
	return "the same as " + codeText(names[i])
}

// codeText returns a name as code in a table, cut if it is long.
func codeText(name string) string {
	const most = 40
	quoted := strconv.QuoteToASCII(name)
	text := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if len(name) > most && strings.Count(name, name[:1]) == len(name) {
		text = fmt.Sprintf("%s (%d times)", name[:1], len(name))
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}
