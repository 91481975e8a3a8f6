// Package drivertest is the contract of package driver in executable form: the
// laws every driver obeys, run against every platform.
//
// # For the author of a driver
//
// Write one function that makes an empty [World] for your platform, hand it to
// [Run], and read the first law that fails. The laws are ordered like a course:
// the first ones ask little, each later one relies on those before. Their table
// is in laws.go, with one line of meaning each.
//
// A law that the profile rules out (there are no marks to look at) is skipped
// by the profile. A law about something that does not exist on the platform (no
// two users can have one name) is named in Suite.Impossible, a law that the
// driver does not obey yet in Suite.Waive, each with its reason. Run lists both;
// nothing is ever left out silently.
//
// # How the laws make a platform fail
//
// A [Breaker] sits between driver and platform. For HTTP there is one for all:
// the reverse proxy of package faultproxy, wrapped by [ThroughProxy]. So the
// same laws run against simulations and against real servers.
//
// The tests of refusals execute whole plans by package reconcile, and make one write
// after the other fail. [Refusals] say how the vendor refuses a write, with its status,
// headers and body: a driver that misreads them lets dependants run, or plans without
// end.
package drivertest
