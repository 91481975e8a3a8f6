// Package marketplace replicates access into service brokers whose dashboards let
// people in by their groups in Entra: groups and members, and no roles.
//
// All of it is package azure's directory. A tenant is whatever the broker calls
// it, such as the id of a service instance: nothing can be asked about it, so no
// tenant is ever missing.
package marketplace
