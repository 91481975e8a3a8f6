// Package connection reads the connections that the operator of the workers writes,
// and opens platforms with them.
//
// A connection is one account at a platform: where the platform is, how to sign in,
// which platforms may use the account, and what it may be used for. Documents name a
// connection; whoever writes documents can therefore choose neither an address nor a
// file, a command, a secret, a scope or a privileged role:
//
//	kind: Connection
//	name: openstack-main
//	type: openstack
//	usedBy: [openstack.harbour]
//	url: https://keystone.example.com/v3
//	auth: {file: openstack.json}
//	roles: {deny: [admin]}
//	limits: {callsPerSecond: 50}
//
// A [Directory] reads the *.yaml files of one directory, again when their content
// changes. [Drivers] opens the drivers of platforms by it. What the connection
// forbids is enforced around the driver, before each call; see [Limit].
package connection
