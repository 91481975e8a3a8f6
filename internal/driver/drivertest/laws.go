package drivertest

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Law names one law.
type Law string

// The laws, in the order in which a driver's author meets them.
const (
	ProfileIsTotal              Law = "ProfileIsTotal"
	TableMatchesProfile         Law = "TableMatchesProfile"
	EmptyIsEmpty                Law = "EmptyIsEmpty"
	ResolveIsExact              Law = "ResolveIsExact"
	AccountNamesAreCompared     Law = "AccountNamesAreCompared"
	TwinsAreAmbiguous           Law = "TwinsAreAmbiguous"
	DisabledIsDisabled          Law = "DisabledIsDisabled"
	MissingScope                Law = "MissingScope"
	MembershipsAreWhole         Law = "MembershipsAreWhole"
	RoundTrip                   Law = "RoundTrip"
	Fixpoint                    Law = "Fixpoint"
	ObserveChangesNothing       Law = "ObserveChangesNothing"
	ApplyTwice                  Law = "ApplyTwice"
	CreateExisting              Law = "CreateExisting"
	DeleteMissing               Law = "DeleteMissing"
	MissingKeepGroups           Law = "MissingScopesKeepTheirGroups"
	UpdateOnlyThat              Law = "UpdateOnlyThat"
	FitTellsTheTruth            Law = "FitTellsTheTruth"
	RefusedStaysRefused         Law = "RefusedStaysRefused"
	ForeignIsSacred             Law = "ForeignIsSacred"
	ForeignNamesAreTaken        Law = "ForeignNamesAreTaken"
	ConflictIsSeen              Law = "ConflictIsSeen"
	RenamesInPlace              Law = "RenamesInPlace"
	GroupsAreAdopted            Law = "GroupsAreAdopted"
	CarriedRolesAreNobodys      Law = "CarriedRolesAreNobodys"
	VersionsAreCompared         Law = "VersionsAreCompared"
	WavesCommute                Law = "WavesCommute"
	ConditionsAreKept           Law = "ConditionsAreKept"
	NewcomersAreBroughtIn       Law = "NewcomersAreBroughtIn"
	TearDown                    Law = "TearDown"
	ManyPages                   Law = "ManyPages"
	CallsAreCounted             Law = "CallsAreCounted"
	AllOrError                  Law = "AllOrError"
	FaultsAreNamed              Law = "FaultsAreNamed"
	LostAnswers                 Law = "LostAnswers"
	RefusalsAreContained        Law = "RefusalsAreContained"
	FailedWritesAreRetried      Law = "FailedWritesAreRetried"
	InterruptedWritesAreRetried Law = "InterruptedWritesAreRetried"
	CancelIsPrompt              Law = "CancelIsPrompt"
	SecretsStayOut              Law = "SecretsStayOut"
	CallsKeepDeadlines          Law = "CallsKeepDeadlines"
)

// entry is one law: what it says, what it needs, and how it is checked.
type entry struct {
	law  Law
	says string
	// unless returns why the profile rules the law out, or "".
	unless func(driver.Profile) string
	// needs return the name of what the world lacks, or "".
	needs []func(World) string
	check func(*lab)
}

// laws is the whole contract.
func laws() []entry {
	return slices.Concat(lawsOfReading(), lawsOfWriting(), lawsOfTrouble())
}

// lawsOfReading are about what a driver says of itself and of the platform.
func lawsOfReading() []entry {
	return []entry{
		{law: ProfileIsTotal, says: "every field of the profile makes sense, and it is constant",
			check: profileIsTotal},
		{law: TableMatchesProfile, says: "what the profile implies is handled, everything else is refused and changes nothing",
			check: tableMatchesProfile},
		{law: EmptyIsEmpty, says: "a new tenant has nothing of ours, and asking for nothing is no error",
			check: emptyIsEmpty},
		{law: ResolveIsExact, says: "every account gets its answer, in order; a likeness is no match",
			check: resolveIsExact},
		{law: AccountNamesAreCompared, says: "a name finds the account with an equal key, whatever the platform takes for equal",
			check: accountNamesAreCompared},
		{law: TwinsAreAmbiguous, says: "two accounts of one name are ambiguous, never one of them",
			needs: []func(World) string{needsTwin}, check: twinsAreAmbiguous},
		{law: DisabledIsDisabled, says: "an account that cannot sign in is not \"not found\"",
			needs: []func(World) string{needsDisable}, check: disabledIsDisabled},
		{law: MissingScope, says: "an unknown tenant is Missing and harms no other",
			check: missingScope},
		{law: MembershipsAreWhole, says: "the groups and roles of one account are listed, all or none, and can be left by id",
			check: membershipsAreWhole},
	}
}

// lawsOfWriting are about runs on a platform that works.
func lawsOfWriting() []entry {
	return []entry{
		{law: RoundTrip, says: "what was planned and applied is what is observed",
			check: roundTrip},
		{law: Fixpoint, says: "a second run plans nothing and writes nothing",
			check: fixpoint},
		{law: ObserveChangesNothing, says: "reading is repeatable, sorted, and writes nothing",
			check: observeChangesNothing},
		{law: ApplyTwice, says: "every step done twice is as if done once",
			check: applyTwice},
		{law: CreateExisting, says: "creating what is there is no error and makes no twin, also after a crash",
			check: createExisting},
		{law: DeleteMissing, says: "deleting what is gone is no error",
			check: deleteMissing},
		{law: MissingKeepGroups, says: "the groups of a tenant that is gone are seen with everybody in them, and can be taken away",
			unless: withoutGroups, needs: []func(World) string{needsRemove}, check: missingScopesKeepTheirGroups},
		{law: UpdateOnlyThat, says: "a step changes what it names and nothing else",
			check: updateOnlyThat},
		{law: FitTellsTheTruth, says: "what Fit accepts is held to the letter",
			unless: withoutGroups, check: fitTellsTheTruth},
		{law: RefusedStaysRefused, says: "what Fit refuses is refused by Apply too, and changes nothing",
			check: refusedStaysRefused},
		{law: ForeignIsSacred, says: "what others made survives us, from first sync to last",
			check: foreignIsSacred},
		{law: ForeignNamesAreTaken, says: "a group that is not ours is never taken over because of its name",
			unless: withoutMarks, check: foreignNamesAreTaken},
		{law: ConflictIsSeen, says: "a group whose mark is no longer ours is not deleted",
			unless: withoutMarks, needs: []func(World) string{needsRemark}, check: conflictIsSeen},
		{law: RenamesInPlace, says: "a group that gets another name stays the group it is",
			unless: withoutRenames, check: renamesInPlace},
		{law: GroupsAreAdopted, says: "a group that somebody made becomes ours and loses nothing",
			unless: withoutMarks, needs: []func(World) string{needsDescribe, needsRemark}, check: groupsAreAdopted},
		{law: CarriedRolesAreNobodys, says: "a role that is carried over for somebody else is not ours",
			unless: withoutGroupBindings, check: carriedRolesAreNobodys},
		{law: VersionsAreCompared, says: "a versioned binding that moved is a conflict and stays as it is",
			unless: withGroups, needs: []func(World) string{needsTouch}, check: versionsAreCompared},
		{law: WavesCommute, says: "the units of a wave reach the same end in any order, and at once",
			check: wavesCommute},
		{law: ConditionsAreKept, says: "a role's condition is given, seen, changed and lifted",
			unless: withoutConditions, needs: []func(World) string{needsConditions}, check: conditionsAreKept},
		{law: NewcomersAreBroughtIn, says: "who is brought in is known afterwards, once, however often it is done",
			unless: withoutBringIn, check: newcomersAreBroughtIn},
		{law: TearDown, says: "full to empty, in plan order, leaves nothing of ours",
			check: tearDown},
	}
}

// lawsOfTrouble are about platforms that are large, busy, slow or down.
func lawsOfTrouble() []entry {
	return []entry{
		{law: ManyPages, says: "three pages and one more of anything are all seen",
			check: manyPages},
		{law: CallsAreCounted, says: "every call passes the budget, and a wide read costs few",
			check: callsAreCounted},
		{law: AllOrError, says: "a read of which any call fails, is cut or is truncated is an error, never a part",
			needs: []func(World) string{needsBreaker}, check: allOrError},
		{law: FaultsAreNamed, says: "every way to fail has its class, and Retry-After is passed on",
			needs: []func(World) string{needsBreaker}, check: faultsAreNamed},
		{law: LostAnswers, says: "a write whose answer was lost is repeated without a twin",
			needs: []func(World) string{needsBreaker}, check: lostAnswers},
		{law: RefusalsAreContained, says: "a refused write stops the steps that need it and no other, and its account only",
			check: refusalsAreContained},
		{law: FailedWritesAreRetried, says: "a write that fails once delays the steps that need it, and the next attempt completes them",
			check: failedWritesAreRetried},
		{law: InterruptedWritesAreRetried, says: "a write whose answer is lost is completed by the next attempt, without a duplicate",
			check: interruptedWritesAreRetried},
		{law: CancelIsPrompt, says: "a cancelled call returns the context's error and changes nothing more",
			needs: []func(World) string{needsBreaker}, check: cancelIsPrompt},
		{law: SecretsStayOut, says: "no credential and no account name is in any error",
			needs: []func(World) string{needsBreaker}, check: secretsStayOut},
		{law: CallsKeepDeadlines, says: "a call that hangs ends by its deadline, as unavailable, and reports its progress",
			needs: []func(World) string{needsBreaker}, check: callsKeepDeadlines},
	}
}

func needsTwin(w World) string    { return lacks(w.Twin == nil, "Twin") }
func needsDisable(w World) string { return lacks(w.Disable == nil, "Disable") }
func needsRemark(w World) string  { return lacks(w.Remark == nil, "Remark") }
func needsRemove(w World) string  { return lacks(w.Remove == nil, "Remove") }
func needsTouch(w World) string   { return lacks(w.Touch == nil, "Touch") }
func needsDescribe(w World) string {
	return lacks(w.Describe == nil || w.Description == nil, "Describe and Description")
}
func needsConditions(w World) string {
	return lacks(len(w.Conditions) < 2, "Conditions")
}
func needsBreaker(w World) string { return lacks(w.Breaker == nil, "Breaker") }

func lacks(missing bool, name string) string {
	if missing {
		return name
	}
	return ""
}

func withoutGroups(p driver.Profile) string {
	if p.Groups {
		return ""
	}
	return "the platform has no groups"
}

func withoutRenames(p driver.Profile) string {
	if p.Groups && p.Renames {
		return ""
	}
	return "groups keep their names"
}

func withoutGroupBindings(p driver.Profile) string {
	if p.Groups && !p.NoBindings {
		return ""
	}
	return "groups get no roles"
}

func withoutConditions(p driver.Profile) string {
	if p.Conditions {
		return ""
	}
	return "the platform has no conditions"
}

func withoutBringIn(p driver.Profile) string {
	if p.BringIn != "" {
		return ""
	}
	return "nobody is brought in"
}

func withGroups(p driver.Profile) string {
	if p.Groups {
		return "bindings to groups are made and removed, never changed"
	}
	return ""
}

func withoutMarks(p driver.Profile) string {
	if p.Groups && p.Marks {
		return ""
	}
	return "the platform has no marked groups"
}
