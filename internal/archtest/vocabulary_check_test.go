package archtest

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testVocabulary is one for tests, so that they do not depend on the lists.
func testVocabulary(t *testing.T) vocabulary {
	t.Helper()
	words := func(text string) map[string]bool {
		set := map[string]bool{}
		for word := range strings.FieldsSeq(text) {
			set[word] = true
		}
		return set
	}
	rules := parseRetired(t, []string{
		"look, looks, looked | names | observe | look up (to find by a key)",
		"held | everywhere | pending approval | internal/locks/... (of a lock); [flag] (kept for scripts)",
		"view | whole names | tenant inputs",
		"let go | everywhere | remove member",
		". who | texts | the user",
	})
	return vocabulary{
		retired: rules,
		starts:  startsOf(rules),
		names:   words("all group names user test store file set run plan approve tenant server web"),
		prose:   words("the and name show list user every removals look"),
		limited: []limitedList{{dirs: []string{"internal/driver/*/..."}, words: words("keystone")}},
	}
}

// TestVocabularyFinds: every kind of name is checked, and exceptions hold.
func TestVocabularyFinds(t *testing.T) {
	const inPackage = "package store\n"
	cases := map[string]struct {
		reason string
		file   string // a Go file or a migration
		text   string
		want   []string // "kind: word"; a retired one with a "-" before it
	}{
		"Type":               {reason: "a type is declared", text: inPackage + "type lookAll struct{}", want: []string{"identifier: -look"}},
		"Function":           {reason: "a function is declared", text: inPackage + "func lookAll() {}", want: []string{"identifier: -look"}},
		"Method":             {reason: "a method is declared", text: inPackage + "func (Store) LooksUser() {}", want: []string{"identifier: -look"}},
		"Field":              {reason: "a field is declared", text: inPackage + "type Store struct{ HeldAll int }", want: []string{"identifier: -held"}},
		"Constant":           {reason: "a constant is declared", text: inPackage + "const heldAll = 1", want: []string{"identifier: -held"}},
		"Variable":           {reason: "a variable is declared", text: inPackage + "var heldAll int", want: []string{"identifier: -held"}},
		"Parameter":          {reason: "a parameter is declared", text: inPackage + "func run(held int) {}", want: []string{"identifier: -held"}},
		"Result":             {reason: "a result is declared", text: inPackage + "func run() (held int) { return }", want: []string{"identifier: -held"}},
		"Local":              {reason: "a local variable is declared", text: inPackage + "func run() { held := 1; _ = held }", want: []string{"identifier: -held"}},
		"Repeated":           {reason: "a name counts once in a package", text: inPackage + "func run(held int) {}\nfunc approve(held int) {}", want: []string{"identifier: -held"}},
		"Range":              {reason: "a loop's variables are declared", text: inPackage + "func run() { for held := range 3 { _ = held } }", want: []string{"identifier: -held"}},
		"InterfaceMethod":    {reason: "an interface's method is declared", text: inPackage + "type Store interface{ LookAll() }", want: []string{"identifier: -look"}},
		"TypeParameter":      {reason: "a type parameter is declared", text: inPackage + "func run[Held any]() {}", want: []string{"identifier: -held"}},
		"Package":            {reason: "a package's name counts, and its parts", text: "package heldtest", want: []string{"identifier: -held"}},
		"Phrase":             {reason: "words in a row are retired together", text: inPackage + "func letGoUser() {}", want: []string{"identifier: -let go"}},
		"Unlisted":           {reason: "a word is in no list", text: inPackage + "func frobnicateUser() {}", want: []string{"identifier: frobnicate"}},
		"VendorElsewhere":    {reason: "a vendor's word is in no package but the platforms'", text: inPackage + "func keystoneUser() {}", want: []string{"identifier: keystone"}},
		"Whole":              {reason: "the whole name is retired", text: inPackage + "func view() {}", want: []string{"identifier: -view"}},
		"Tag":                {reason: "a name on the wire", text: inPackage + "type Store struct{ Names int `json:\"held_names,omitempty\" db:\"frobs\"` }", want: []string{"tag: -held", "tag: frobs"}},
		"TypedCode":          {reason: "a constant of a named type is a code", text: inPackage + "type Group string\nconst All Group = \"held\"", want: []string{"code: -held"}},
		"UntypedCode":        {reason: "a constant spelled as a code is one", text: inPackage + "const all = \"removal-held\"", want: []string{"code: -held", "code: removal"}},
		"ConvertedCode":      {reason: "a constant may be converted to its type", text: inPackage + "type Group string\nconst All = Group(\"held\")", want: []string{"code: -held"}},
		"UntypedWord":        {reason: "a constant of one word is a code", text: inPackage + "const All = \"HeldAttribute\"", want: []string{"code: -held", "code: attribute"}},
		"ExampleInTest":      {reason: "in tests it is the name of an example", file: "internal/store/names_test.go", text: inPackage + "const user = \"held\""},
		"Metric":             {reason: "a metric is on dashboards", text: inPackage + "func run() { user.Gauge(\"rollcall_held\") }", want: []string{"code: -held", "code: rollcall"}},
		"CommandShort":       {reason: "a command's text is for people", text: inPackage + "var run = &cobra.Command{Short: \"Show the held removals\"}", want: []string{"CLI text: -held"}},
		"CommandLong":        {reason: "all parts of a text count", text: inPackage + "var run = cobra.Command{Long: \"Show every user. \" + \"Who name the user\"}", want: []string{"CLI text: -. who"}},
		"CommandUnlisted":    {reason: "a text's words are in lists, too", text: inPackage + "var run = cobra.Command{Long: \"Show the yonder user\"}", want: []string{"CLI text: yonder"}},
		"CommandExample":     {reason: "an example's comments are for people", text: inPackage + "var run = cobra.Command{Example: \"# the held removals of harbour\"}", want: []string{"CLI example: -held"}},
		"CommandName":        {reason: "what people type is a name", text: inPackage + "var run = cobra.Command{Use: \"look TENANT\"}", want: []string{"flag: -look"}},
		"FlagText":           {reason: "a flag's description is for people", text: inPackage + "func run() { set.BoolVar(&all, \"all\", false, \"show the held removals\") }", want: []string{"CLI text: -held"}},
		"FlagName":           {reason: "a flag's name is typed", text: inPackage + "func run() { set.StringVarP(&all, \"look-all\", \"l\", \"\", \"show the list\") }", want: []string{"flag: -look"}},
		"Message":            {reason: "what the CLI prints is for people", file: "starter/run.go", text: "package store\nfunc run() { print(\"the removals held\") }", want: []string{"CLI text: -held"}},
		"Warning":            {reason: "the CLI shows errors and warnings of others", text: inPackage + "func run() error { return errors.New(\"user: frob removals held by one\") }", want: []string{"message: -held"}},
		"NumberBetween":      {reason: "the words are in no row", text: inPackage + "func run() error { return errors.New(\"let 100 go to user\") }"},
		"Statement":          {reason: "a statement has the names of the schema", text: inPackage + "const names = \"SELECT held FROM names\""},
		"MessageInTest":      {reason: "only the author of a change reads it", file: "internal/store/names_test.go", text: inPackage + "func run() { print(\"the user is held\") }"},
		"FileName":           {reason: "a file is found by its name", file: "internal/store/held_names.go", text: inPackage, want: []string{"file name: -held"}},
		"DirectoryOfData":    {reason: "test data has names, too", file: "internal/store/testdata/held-user/names.go", text: inPackage, want: []string{"file name: -held"}},
		"Table":              {reason: "a table is a name in the database", file: "1.sql", text: "CREATE TABLE held (all text);", want: []string{"SQL name: -held"}},
		"Column":             {reason: "so is a column", file: "1.sql", text: "CREATE TABLE names (user text PRIMARY KEY, held_all text DEFAULT 'a;b');", want: []string{"SQL name: -held"}},
		"AddedColumn":        {reason: "a column comes later", file: "1.sql", text: "CREATE TABLE names (user text);\nALTER TABLE names ADD COLUMN held text;", want: []string{"SQL name: -held"}},
		"ColumnOfEachTable":  {reason: "a column is renamed table by table", file: "1.sql", text: "CREATE TABLE names (held text);\nCREATE TABLE users (held text);", want: []string{"SQL name: -held", "SQL name: -held"}},
		"Index":              {reason: "so is an index", file: "1.sql", text: "CREATE UNIQUE INDEX held_names ON names (user);", want: []string{"SQL name: -held"}},
		"RightPhrase":        {reason: "an exception allows these words in a row", text: inPackage + "func lookUpUser() {}"},
		"RightPath":          {reason: "an exception allows this directory", file: "internal/locks/file/run.go", text: "package store\nvar held int"},
		"RightKind":          {reason: "an exception allows this kind of name", text: inPackage + "var run = cobra.Command{Use: \"held\"}"},
		"NotWhole":           {reason: "the name has another word", text: inPackage + "func userView() {}", want: []string{"identifier: view"}},
		"Listed":             {reason: "words of lists and their inflections", text: inPackage + "func testedGroups(users []string) (approving, planned int) { return }"},
		"VendorOfItsDriver":  {reason: "a platform's package uses its vendor's words", file: "internal/driver/openstack/file.go", text: "package store\nfunc keystoneUser() {}"},
		"UsedElsewhere":      {reason: "only what we declare is ours to name", text: inPackage + "func run() { other.LookAll(held) }"},
		"TagOption":          {reason: "an option of a tag is no name", text: inPackage + "type Store struct{ All int `json:\",held\"` }"},
		"TestName":           {reason: "a test's name is a sentence", text: inPackage + "func TestStoreShowsEveryUser() {}"},
		"NamesInTexts":       {reason: "a rule for names lets texts alone", text: inPackage + "var run = cobra.Command{Long: \"%s: the user looks --held and $HELD\"}"},
		"RelativeClause":     {reason: "the pronoun follows its noun", text: inPackage + "var run = cobra.Command{Long: \"the user who\"}", want: []string{"CLI text: who"}},
		"RenamedColumn":      {reason: "an old name is history", file: "1.sql", text: "CREATE TABLE names (held text);\nALTER TABLE names RENAME COLUMN held TO user;"},
		"RenamedTable":       {reason: "an old name is history", file: "1.sql", text: "CREATE TABLE held (user text);\nALTER TABLE held RENAME TO names;"},
		"DroppedColumn":      {reason: "an old name is history", file: "1.sql", text: "CREATE TABLE names (user text, held text);\nALTER TABLE names DROP COLUMN held;"},
		"DroppedTable":       {reason: "an old name is history", file: "1.sql", text: "CREATE TABLE held (user text);\nDROP TABLE IF EXISTS held;"},
		"WayDown":            {reason: "the way down has the names of before", file: "1.sql", text: "CREATE TABLE names (user text);\n-- +goose Down\nCREATE TABLE held (user text);"},
		"CommentOfMigration": {reason: "a comment is no name", file: "1.sql", text: "-- CREATE TABLE held (user text);\nCREATE TABLE names (user text);"},
	}
	v := testVocabulary(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, u := range distinct(usesIn(t, tc.file, tc.text)) {
				for _, f := range v.check(u) {
					word := f.word
					if f.retired {
						word = "-" + word
					}
					got = append(got, string(u.kind)+": "+word)
				}
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if !slices.Equal(got, tc.want) {
				t.Errorf("found %q, want %q: %s", got, tc.want, tc.reason)
			}
		})
	}
}

// usesIn returns the uses of one file. It is in "internal/store" where it has no
// name, and has the names of directories and of the file only where it has one.
func usesIn(t *testing.T, file, text string) []use {
	t.Helper()
	if filepath.Ext(file) == ".sql" {
		db := database{}
		up, _, _ := strings.Cut(text, "-- +goose Down")
		for _, sql := range statements(up) {
			if err := db.run(sql); err != nil {
				t.Fatal(err)
			}
		}
		return schemaUses(db.names())
	}
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, "file.go", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	s := source{name: file, dir: "internal/store", test: strings.HasSuffix(file, "_test.go"), syntax: syntax, set: set}
	var all []use
	if file != "" {
		s.dir = filepath.Dir(file)
		for name := file; name != "."; name = filepath.Dir(name) {
			all = append(all, fileUse(name))
		}
		all = slices.DeleteFunc(all, func(u use) bool { return !strings.Contains(u.text, "held") })
	}
	if len(all) > 0 {
		return all
	}
	return goUses(s)
}

// TestVocabularySplitsNames: a word that is split wrongly is found nowhere.
func TestVocabularySplitsNames(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		name   string
		want   string
	}{
		"Camel":          {reason: "a capital begins a word", name: "lookAllGroups", want: "look all groups"},
		"Snake":          {reason: "columns", name: "held_removals", want: "held removals"},
		"Kebab":          {reason: "codes", name: "removal-held", want: "removal held"},
		"Abbreviation":   {reason: "capitals in a row are one word", name: "HTTPServerURL", want: "http server url"},
		"PluralOfIt":     {reason: "and so is its plural", name: "userIDs", want: "user ids"},
		"PluralInMiddle": {reason: "before another word, too", name: "EUIDsOf", want: "euids of"},
		"Digits":         {reason: "digits separate", name: "sha256Sum", want: "sha sum"},
		"File":           {reason: "the extension is a word", name: "group_test.go", want: "group test go"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(splitName(tc.name), " "); got != tc.want {
				t.Errorf("splitName(%q) = %q, want %q: %s", tc.name, got, tc.want, tc.reason)
			}
		})
	}
}

// TestVocabularyRetiredRules: each line of retired.txt finds each of its
// spellings, and each exception in words allows the spelling among them.
func TestVocabularyRetiredRules(t *testing.T) {
	t.Parallel()
	for _, r := range retiredRules(t) {
		u := use{unit: "internal/nowhere", kind: kindIdentifier}
		if r.where == "texts" {
			u.kind = kindText
		}
		for _, spelling := range r.spellings {
			if !r.find(u, spelling, make([]bool, len(spelling))) {
				t.Errorf("retired.txt: %q finds its own spelling %q nowhere", r.name(), strings.Join(spelling, " "))
			}
		}
		for _, e := range r.exceptions {
			if e.words == nil {
				continue
			}
			matched := make([]bool, len(e.words))
			if r.find(u, e.words, matched) || !slices.Contains(matched, true) {
				t.Errorf("retired.txt: %q: the exception %q has no spelling among its words", r.name(), strings.Join(e.words, " "))
			}
		}
	}
}

// TestVocabularyLists: no list has a retired word, or a word of another list.
func TestVocabularyLists(t *testing.T) {
	t.Parallel()
	listed := map[string]string{}
	for _, f := range fields() {
		retired := retiredWords(t, f.prose)
		words := readList(t, f.file)
		if !slices.IsSorted(words) || len(words) == 0 {
			t.Errorf("%s is not sorted, or empty: write it as its head says", f.file)
		}
		for _, word := range words {
			if retired[word] {
				t.Errorf("%s has %q, which is retired: write it as its head says", f.file, word)
			}
			if other := listed[word]; other != "" {
				t.Errorf("%s has %q, which %s has already: write it as its head says", f.file, word, other)
			}
			if f.general() {
				listed[word] = f.file
			}
		}
	}
	rules := retiredRules(t)
	for _, g := range readGlossary(t) {
		words := splitName(g.term)
		u := use{unit: "internal/nowhere", kind: kindIdentifier, text: g.term}
		for _, r := range rules {
			if r.find(u, words, make([]bool, len(words))) {
				t.Errorf("glossary.txt has %q, but %q is retired: use %s", g.term, r.name(), r.replacement)
			}
		}
	}
}

// TestVocabularyTerms: the terms that replace retired words may be used.
func TestVocabularyTerms(t *testing.T) {
	t.Parallel()
	terms := []string{
		"warning", "user", "account", "principal", "observe", "refresh", "DetectDrift", "tenantInputs", "planInput",
		"unmanagedMembers", "unmanaged-member-removed", "externalPermission", "managed", "removal-pending-approval",
		"repeatedDrift", "drifting", "propagationDelay", "resolveAccounts", "provisionedUser", "copyExternalGrant",
		"copied_grants", "allocated", "affectedTenants", "groupReplacement", "replace", "buildGroup", "cutOver", "removeGroup",
		"RecreateGroup", "membershipTransfer", "outOfBandRename", "removals", "grantProvenance", "missingObjects", "events",
		"activePlatforms", "grants", "isolateFailures", "perMemberBindings", "deleteTombstone", "executor", "guard",
		"ownershipMarker", "Validate", "complete", "recordOutcome", "workflowWorker", "pollInterval", "shutdownTimeout",
		"maxFailures", "revocationWorker", "temporalx", "testenv", "differ", "scheduler", "Limitations", "NotFound",
		"conformance", "fixture", "snapshot", "state", "driverInterface", "limiter", "reservedCapacity", "visibilityTimeout",
		"heartbeat", "duplicate", "continueAsNew", "compensate", "setCurrentDetails", "rateLimit", "revision",
		"desiredByOtherTenants", "removeMember", "repair", "fix", "user-not-found", "role-unmapped", "tenant-not-found",
	}
	v := readVocabulary(t)
	for _, term := range terms {
		for _, f := range v.check(use{unit: "internal/nowhere", kind: kindIdentifier, text: term}) {
			t.Errorf("%q may not be used because of %q: add the term to glossary.txt, or an exception to retired.txt", term, f.word)
		}
	}
}

// TestVocabularyRatchet: a figure that rises fails, and so does a new package.
func TestVocabularyRatchet(t *testing.T) {
	t.Parallel()
	first := figure{"internal/plan", true, "look"}
	elsewhere := figure{"internal/other", true, "look"}
	unlisted := figure{"internal/plan", false, "let go"}
	cases := map[string]struct {
		reason      string
		before, now counts
		want        []rise
	}{
		"Equal":      {reason: "nothing changed", before: counts{first: 2}, now: counts{first: 2}},
		"Fewer":      {reason: "less is no rise", before: counts{first: 2}, now: counts{first: 1}},
		"Gone":       {reason: "nor is none", before: counts{first: 2}, now: counts{}},
		"More":       {reason: "more is", before: counts{first: 2}, now: counts{first: 3}, want: []rise{{first, 2, 3}}},
		"NewWord":    {reason: "a word that the package had not", before: counts{first: 2}, now: counts{first: 2, unlisted: 1}, want: []rise{{unlisted, 0, 1}}},
		"NewPackage": {reason: "a package that is in no baseline has none", before: counts{first: 2}, now: counts{first: 1, elsewhere: 1}, want: []rise{{elsewhere, 0, 1}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := compareCounts(tc.before, tc.now); !slices.Equal(got, tc.want) {
				t.Errorf("rises %v, want %v: %s", got, tc.want, tc.reason)
			}
			read, err := parseBaseline(tc.now.String())
			if err != nil || read.String() != tc.now.String() {
				t.Errorf("baseline does not survive being written and read: %v\n%s", err, tc.now)
			}
		})
	}
}

// TestVocabularyBaseline: the file follows the code down, and up only when told.
func TestVocabularyBaseline(t *testing.T) {
	t.Parallel()
	at := func(n int) counts { return counts{figure{"internal/plan", true, "look"}: n} }
	conflict := "<<<<<<< HEAD\n" + at(2).String()
	cases := map[string]struct {
		reason        string
		text          string
		now           counts
		update, raise bool
		want          string
		rises, fails  bool
	}{
		"Equal":         {reason: "nothing to do", text: at(2).String(), now: at(2), want: at(2).String()},
		"Lower":         {reason: "progress is written down", text: at(2).String(), now: at(1), want: at(2).String(), fails: true},
		"LowerUpdate":   {reason: "an update lowers", text: at(2).String(), now: at(1), update: true, want: at(1).String()},
		"Higher":        {reason: "a figure rose", text: at(2).String(), now: at(3), want: at(2).String(), rises: true},
		"HigherUpdate":  {reason: "an update raises nothing", text: at(2).String(), now: at(3), update: true, want: at(2).String(), rises: true},
		"HigherRaise":   {reason: "a second flag allows it", text: at(2).String(), now: at(3), update: true, raise: true, want: at(3).String()},
		"RaiseAlone":    {reason: "without an update nothing is written", text: at(2).String(), now: at(3), raise: true, want: at(2).String(), rises: true},
		"OtherTotal":    {reason: "a merge kept one side's total", text: strings.Replace(at(2).String(), "total: 2", "total: 3", 1), now: at(2), want: strings.Replace(at(2).String(), "total: 2", "total: 3", 1), fails: true},
		"Conflict":      {reason: "a merge left its markers", text: conflict, now: at(2), update: true, want: conflict, fails: true},
		"ConflictRaise": {reason: "the code's figures replace it", text: conflict, now: at(2), update: true, raise: true, want: at(2).String()},
		"NoFile":        {reason: "without a baseline every package has none", now: at(2), rises: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, rises, err := nextBaseline(tc.text, tc.now, tc.update, tc.raise)
			if got != tc.want || len(rises) > 0 != tc.rises || (err != nil) != tc.fails {
				t.Errorf("next is %q with rises %v and error %v, want %q, rises %t, an error %t: %s",
					got, rises, err, tc.want, tc.rises, tc.fails, tc.reason)
			}
		})
	}
}
