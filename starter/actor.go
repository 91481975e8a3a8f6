package main

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// addAs adds the flag for a name beside the operating system's user.
func addAs(cmd *cobra.Command, as *string) {
	cmd.Flags().StringVar(as, "as", "", "another name to record next to the operating system's user; nothing verifies it")
}

// actor returns the user who runs this command as the operating system knows them, whatever
// the environment says, with the name that --as gives.
func actor(as string) access.Actor {
	uid := strconv.Itoa(os.Getuid())
	name := "uid-" + uid
	if found, err := user.LookupId(uid); err == nil {
		name = found.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return access.Actor{Kind: access.OSUser, Name: name + "@" + cmp.Or(host, "unknown"), Claim: as}
}

// checkRecord refuses a reason or a name that cannot be kept.
func checkRecord(by access.Actor, reason string) error {
	if err := access.CheckReason(reason); err != nil {
		return invalid(fmt.Errorf("%w: say why with --reason, on one line of at most 1,000 characters: it is kept for ever", err))
	}
	if err := by.Check(); err != nil {
		return invalid(fmt.Errorf("--as: %w", err))
	}
	return nil
}

// actorText writes an actor and the name that nothing verifies.
func actorText(id, claim string) string { return access.ParseActor(id, claim).String() }
