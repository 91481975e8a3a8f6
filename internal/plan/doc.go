// Package plan compares what is desired with what is observed of one tenant, and returns
// the steps between them. It is pure: no clock, no context, no log. Equal input gives an
// equal plan, byte for byte.
//
// # Passes
//
// Compare makes a plan in four passes. Each is a function from values to values, and none
// changes what another one returned:
//
//	normalise  Input to facts: everything in one order, whose each observed object is, and
//	           which observed group each desired one is. A group is known by the project role
//	           that it grants; its name is an attribute.
//	compare    facts to diff: all that differs, as if nobody had to agree to it.
//	evaluate      diff to verdicts: which removals wait for an approval.
//	order      verdicts to Plan: steps, each with the steps that it needs and why.
//
// A limit beyond the plan (Comparison.Closed) repeats the last two only. What a plan should
// know and does not is in Comparison.Unknowns: the caller finds the answers and compares
// once more.
//
// # The truth table
//
// An object is managed when the ledger has it and its ownership marker, where one was read,
// agrees. It is unclear when only one of the two says so, and unmanaged when neither does.
//
//	desired │ observed │ whose     │ group                     │ binding
//	────────┼──────────┼───────────┼───────────────────────────┼──────────────────────────────
//	yes     │ no       │ -         │ create, then fill         │ create
//	yes     │ yes      │ managed   │ add and remove members    │ subjects differ: change
//	yes     │ yes      │ unclear   │ adopted: mark it, managed │ on a managed group: no step;
//	        │          │           │ else ownership-unclear    │ else ownership-unclear, no step
//	yes     │ yes      │ unmanaged │ adopted: mark it, managed │ on a managed group: no step;
//	        │          │           │ else object-unmanaged     │ else object-unmanaged, no step
//	no      │ yes      │ managed   │ grants a role that another│ delete; with a group that is
//	        │          │           │ group should grant:       │ replaced see below
//	        │          │           │ replace                   │
//	        │          │           │ else cleanup on: delete   │
//	        │          │           │ cleanup off: cleanup-off  │
//	no      │ yes      │ unclear   │ ownership-unclear, no step│ ownership-unclear, no step
//	no      │ yes      │ unmanaged │ untouched                 │ on a managed group: kept or
//	        │          │           │                           │ removed, as Additional says;
//	        │          │           │                           │ else untouched
//
// Where each subject of a role has a binding of its own (Rules.Separate), one binding is
// about one user, and a role's set is what is managed of it:
//
//	desired │ observed │ whose     │ binding of one user
//	────────┼──────────┼───────────┼────────────────────────────────────────────────────
//	yes     │ no       │ -         │ create
//	yes     │ yes      │ any       │ no step
//	no      │ yes      │ managed   │ delete; not while kept, in use, or wanted elsewhere
//	no      │ yes      │ unclear   │ ownership-unclear, no step
//	no      │ yes      │ unmanaged │ untouched
//
// A group that is not managed never gets a binding. A group whose deletion or emptying the
// guard holds keeps its members and its bindings. Of several groups or bindings with one
// name the ledger's own counts; the others and their roles are untouched, with
// ownership-unclear for what has a marker of this tenant.
//
// A managed role under another condition than the desired one is changed in place; under a
// condition that another system set it is object-unmanaged where Additional is keep, and
// gets the desired condition where Additional is remove. A shielded binding of another
// system is kept, whatever Additional says.
//
// Users are provisioned first, and no step waits for that: they have no id yet, so the plan
// after this one grants them their roles.
//
// Revoked users are never desired, and never kept.
//
// # Group replacement
//
// A managed group that no document asks for, and a desired one of another name that grants
// the same project role, are one group with another name.
//
//	mode     │ how
//	─────────┼──────────────────────────────────────────────────────────────────────
//	recreate │ the new group is made, filled and given its roles (Renaming.Build);
//	         │ once it is complete the old one loses its managed roles and goes (Remove)
//	strict   │ the same lists, Remove first
//	in-place │ the platform renames it: one step, and everything else about the group
//	         │ comes after. Where it cannot, or both names are there: recreate
//
// Names that differ in case only are one name to some platforms (IgnoreCase). There the
// group is renamed in place in every mode, or keeps the name it has. A group to which
// another system gave another name gets its name back in every mode, where the platform can
// rename; of several groups of that name the ledger's own.
//
// Members of the old group who do not get the new one leave at once, under the guard, which
// counts no other member. While such a removal is held, or another system's group has the
// new name, or a decision is pending, the replacement waits (replacement-pending-approval):
// the new group is built, and the old one stays as it is. It also waits for users who move
// between two groups that are both replaced: they arrive only when the other replacement is
// done, and the next plan goes on. Accounts that are kept come along. Of several old groups
// of one role all go with the same replacement.
//
// Roles that another system gave to the old group go with it (Renaming.Loses), each with a
// warning before it happens. Rules.Carry offers each to the new group as a held step. An
// approval makes it part of Build, a rejection lets it go; the replacement waits for one of
// them. Mode strict may lose an approved one, and users who are kept, if a run ends between
// Remove and Build.
//
// Where two roles exchange their names nothing is replaced: users move between the groups
// like any others. For a moment they are in both. Members who already belong to the group
// that their role goes to do not count as removals.
//
// # Order
//
// A group exists, and has its name and the ownership marker, before it gets members or
// roles. A role is given before another is taken from the same group, and taken before the
// group goes. A user who moves is added to the new set, and that set has its role, before
// the user is removed from the old one, or the old one's role or group goes. So no user is
// without a role in between who has one before and after; but for mode strict.
//
// The order is no condition for removals: a step that takes access waits for one that gives
// access (NeedsAccess), and runs all the same once the platform refuses that. Execution
// follows the steps of a plan, and Plan.Parts makes a refused step smaller. In each wave the
// units that only remove access come first.
// A managed group loses members and roles also where the platform refuses its new name.
//
// Where the platform does not take a role of a group that no document asks for
// (Input.Immovable), the members leave the group. They leave an old group of a replacement
// once the new one is complete. Members of a group that is still desired stay, with a
// warning.
//
// Plan.Schedule says what may run when: all that no replacement is needed for at once, then
// the replacements beside each other, then the rest.
//
// Roles that others rest on (Rules.Base) are given before them and taken after them, and
// stay as long as the user has another role at the tenant.
//
// # Removals
//
// What may not be removed is added to what is desired before the comparison, not filtered
// from the result: a member who is kept is a desired member. Every removal carries its
// reason in Why. The guard holds a removal that takes more than its limit from a group, or
// empties it by more than two members or without a caller who named it (Guard.Unnamed), or
// takes the last role of a group or of users bound themselves. Where subjects have bindings
// of their own all removals of one role are held together, and a base role is held with the
// roles that rest on it. Held steps are in Plan.Held and the rest of the plan proceeds. What
// an operator approved (Input.Approved), by account or object, is not held; it still counts
// towards the limit of what is left.
//
//	situation                 │ what the guard holds
//	──────────────────────────┼────────────────────────────────────────────────────
//	Guard.Closed              │ every removal from users, however small; not a pure
//	                          │ replacement, and not what another system gave
//	Rules.Gone                │ no role; a group with members, unless AutoDelete
//	Input.Revoked             │ nothing of theirs, and they count for no limit; they
//	                          │ also leave groups and bindings that stay otherwise
//	Input.Rejected            │ just that, but for the revoked
//
// An unmanaged member of a managed group (Input.Strangers) goes like any other, with
// unmanaged-member-removed.
//
// # Forbidden removals
//
// A document can forbid removals (Rules.ForbiddenBy). Then the plan only adds, and an
// approval changes nothing. Plan.Forbidden has what the plan leaves out, and one warning,
// removals-forbidden, lists it.
//
//	otherwise removed         │ where removals are forbidden
//	──────────────────────────┼────────────────────────────────────────────────────
//	a member                  │ stays, without unmanaged-member-removed
//	a subject of a role       │ stays
//	a group                   │ stays, with its roles
//	an external permission    │ stays, whatever Additional says
//	a group that is replaced  │ keeps its name, and gets what the new group would
//	                          │ get; in-place: renamed
//	an old group              │ stays beside the new one
//	a group of another role   │ stays, with removals-forbidden, and gets nothing:
//	                          │ its members would get the new role
//	a condition               │ stays where the new one may grant less
//	a revoked account         │ goes
package plan
