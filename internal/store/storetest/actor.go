package storetest

import "github.com/rollcall-iam/rollcall/internal/access"

// By returns the operating system's user of that name, as an actor of tests.
func By(user string) access.Actor { return access.Actor{Kind: access.OSUser, Name: user + "@test"} }
