// Package plan works out how to turn what is into what should be. It is pure:
// no clock, no context, no log. Equal input gives an equal plan, byte for byte.
//
// # The truth table
//
// An object is ours when the ledger has it and its mark, where one was read,
// agrees. It is unclear when only one of the two says so, and foreign when
// neither does.
//
//	desired │ observed │ whose   │ group                     │ binding
//	────────┼──────────┼─────────┼───────────────────────────┼──────────────────────────────
//	yes     │ no       │ -       │ create, then fill         │ create
//	yes     │ yes      │ ours    │ add and remove members    │ subjects differ: change
//	yes     │ yes      │ unclear │ adopted: mark it, ours    │ on our group: nothing to do;
//	        │          │         │ else ownership-unclear    │ else ownership-unclear, no step
//	yes     │ yes      │ foreign │ adopted: mark it, ours    │ on our group: nothing to do;
//	        │          │         │ else object-unmanaged       │ else object-unmanaged, no step
//	no      │ yes      │ ours    │ served a role that another│ delete; with a group that is
//	        │          │         │ group is to serve: rename │ renamed see below
//	        │          │         │ else cleanup on: delete   │
//	        │          │         │ cleanup off: cleanup-off  │
//	no      │ yes      │ unclear │ ownership-unclear, no step│ ownership-unclear, no step
//	no      │ yes      │ foreign │ untouched                 │ on our group: kept or removed,
//	        │          │         │                           │ as Additional says; else untouched
//
// Where each subject of a role has a binding of its own (Rules.Separate), one
// binding is about one person, and a role's set is what is ours of it:
//
//	desired │ observed │ whose   │ binding of one person
//	────────┼──────────┼─────────┼──────────────────────────────────────────────────
//	yes     │ no       │ -       │ create
//	yes     │ yes      │ any     │ nothing to do
//	no      │ yes      │ ours    │ delete; not while kept, in use, or wanted elsewhere
//	no      │ yes      │ unclear │ ownership-unclear, no step
//	no      │ yes      │ foreign │ untouched
//
// A binding is never given to a group that is not ours. A group whose deletion
// or emptying the guard holds keeps its members and its bindings. Of several
// groups or bindings with one name the ledger's own counts; the others and
// their roles are untouched, with ownership-unclear for what has our mark.
//
// A role of ours under another condition than the desired one is changed in
// place; under a condition that another system set it is object-unmanaged where
// Additional is keep, and gets the desired condition where Additional is remove.
// A shielded binding of somebody else is kept, whatever Additional says.
//
// Newcomers are brought in first thing, and waited for by nothing: they have no
// id yet, so the plan after this one grants them what they are to have.
//
// Who is revoked by name is desired nowhere, and kept nowhere.
//
// # Renaming
//
// A group is known again by the project role that it serves: one of ours that
// nobody desires, and a desired one of another name that serves the same role,
// are one group with another name.
//
//	mode     │ how
//	─────────┼──────────────────────────────────────────────────────────────────────
//	recreate │ the new group is made, filled and given its roles (Renaming.Build);
//	         │ once it is complete the old one loses ours and goes (Remove)
//	strict   │ the same lists, Remove first
//	in-place │ the platform renames it: one step, and everything else about the group
//	         │ comes after. Where it cannot, or both names are there: recreate
//
// Names that differ in case only are one name to some platforms (IgnoreCase).
// There the group is renamed in place in every mode, or keeps the name it has.
//
// Whoever is in the old group and not to be in the new one leaves it at once,
// under the guard, which counts nobody else. While such a removal is held, or
// somebody else has the new name, or a decision is to be made, the renaming waits
// (replacement-pending-approval): the new group is built, and the old one stays as it is. It
// also waits for people who move between two groups that both change their
// names: they arrive only when the other renaming is done, and the next plan goes
// on. Accounts that are kept come along. Of several old groups of one role all go
// with the same renaming.
//
// What somebody else gave to the old group goes with it (Renaming.Loses), each
// with a remark before it happens. Rules.Carry offers each to the new group as a
// held step. An approval makes it part of Build, a rejection lets it go; the
// renaming waits for one of them. Mode strict may lose an approved one, and who is
// kept, if a run ends between Remove and Build.
//
// Where two roles exchange their names nothing is renamed: people move between
// the groups like any others. For a moment they are in both. Nobody counts as
// leaving who has the group that their role goes to.
//
// # Order
//
// A group exists, and has its name and our mark, before it gets members or roles.
// A role is given before another is taken from the same group, and taken before
// the group goes. Who moves is added to the new set, and that set has its role,
// before they are removed from the old one, or the old one's role or group goes.
// So nobody is without a role in between who has one before and after; but for
// mode strict.
//
// The order is no condition for removals: a step that takes access waits for one that
// gives access, and runs all the same once the platform refuses that. Execution follows
// the steps of a plan, and Plan.Parts makes a refused step smaller.
//
// Plan.Schedule says what may run when: all that no renaming is needed for at
// once, then the renamings beside each other, then the rest.
//
// Roles that others rest on (Rules.Base) are given before them and taken after
// them, and stay as long as the person has another role at the tenant.
//
// # Removals
//
// What may not be removed is added to what is desired before the comparison,
// not filtered from the result: a member who is Kept is a desired member.
// Every removal carries its reason in Why. The guard holds a removal that
// empties a group, or takes more than its limit from it, or takes the last role
// of a group or of people bound themselves. Where subjects have bindings of their
// own all removals of one role are held together, and a base role is held with
// the roles that rest on it. Held steps are in Plan.Held and the
// rest of the plan proceeds. What somebody approved (Input.Approved), by account
// or object, is not held; it still counts towards the limit of what is left.
//
//	situation                 │ what the guard holds
//	──────────────────────────┼────────────────────────────────────────────────────
//	Guard.Closed              │ every removal from people, however small; not a pure
//	                          │ renaming, and not what somebody else gave
//	Rules.Gone                │ no role; a group with members, unless AutoDelete
//	Input.Revoked             │ nothing of theirs, and they count for no limit; they
//	                          │ also leave groups and bindings that stay otherwise
//	Input.Rejected            │ just that, but for the revoked
//
// A member of ours whom somebody else put there (Input.Strangers) goes like any
// other, with unmanaged-member-removed.
//
// # Forbidden removals
//
// A document can forbid removals (Rules.ForbiddenBy). Then the plan only adds, and
// an approval changes nothing. Plan.Forbidden has what the plan leaves out, and one
// warning, removals-forbidden, lists it.
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
