// Package openstack replicates access into OpenStack's Keystone (Identity API
// v3): groups, their members, and the roles that groups have on projects.
//
// # What exists there
//
// People are looked up by User.name in one domain, and never made. Groups are
// made in the same domain, where their names are unique. A group's description
// carries the mark; nothing else on this platform has a place for one. A role
// assignment has no id: its path "projects/P/groups/G/roles/R" names it.
// Nothing has a version. Deleting a group takes its assignments along; giving it
// another name changes nothing else, as all that refers to it has its id. A group
// is read just before it is renamed or taken over, so that neither undoes what
// somebody did since it was observed.
//
// # How it is read
//
// GET /v3/role_assignments?effective answers with one row for each member of
// each group that has a role anywhere, and each row's links.membership names
// both. One plain list of assignments has the groups without members. So two
// calls answer for any number of tenants; one more lists the groups where marks
// are asked for. What the two cannot show is read one by one: the members of
// groups with no role, or only with a role of a domain, which effective lists
// leave out.
//
// Rows with links.prior_role are implied by another role, rows with
// OS-INHERIT come from above. Neither is ours to change, nor reported.
//
// Keystone cuts a list at its list_limit and answers 200 with
// "truncated": true: that is a failed read. The limit must be higher than the
// number of users and of groups in the domain. gophercloud's types drop that
// field and the links, so everything is decoded here.
//
// # What it does not have
//
// Roles on domains, on the system, or given to people; inherited roles; roles of
// a domain, which are shown as "name@domain" and never given. A group of another
// domain is shown as "name@domain" too, so that no name stands for two groups.
//
// The credentials' token should be scoped to a project or the system. A token
// scoped to a domain sees only the people of that domain in a group.
package openstack
