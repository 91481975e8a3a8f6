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
//	yes     │ yes      │ unclear │ ownership-unclear, no step│ on our group: nothing to do;
//	        │          │         │                           │ else ownership-unclear, no step
//	yes     │ yes      │ foreign │ object-foreign, no step   │ on our group: nothing to do;
//	        │          │         │                           │ else object-foreign, no step
//	no      │ yes      │ ours    │ cleanup on: delete        │ delete
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
// place; under a condition that somebody else set it is object-foreign.
// A shielded binding of somebody else is kept, whatever Additional says.
//
// Newcomers are brought in first thing, and waited for by nothing: they have no
// id yet, so the plan after this one grants them what they are to have.
//
// # Order
//
// A group exists before it gets members or roles. A role is given before
// another is taken from the same group, and taken before the group goes. Who
// moves is added to the new set, and that set has its role, before they are
// removed from the old one. So nobody is without a role in between who has one
// before and after.
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
package plan
