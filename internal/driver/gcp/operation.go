package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/api/cloudidentity/v1"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// Writes to Cloud Identity answer with an operation. Version 1 has no way to ask
// for one later: what is not done yet shows itself by being there.

// over returns the error that an operation ended with, if it did.
func over(name string, operation *cloudidentity.Operation, err error) error {
	switch {
	case err != nil:
		return err
	case operation.Done && operation.Error != nil:
		return classified{ended(name, operation.Error.Code)}
	default:
		return nil
	}
}

// madeRef is the id of the group that the operation has made; empty while it is
// under way.
func madeRef(operation *cloudidentity.Operation) (string, error) {
	if err := over("groups.create", operation, nil); err != nil || !operation.Done {
		return "", err
	}
	ref := responseName(operation)
	if !isGroupRef(ref) {
		return "", unreadable("groups.create", "response")
	}
	return ref, nil
}

// responseName is the name of what an operation has made; empty where it does
// not say.
func responseName(operation *cloudidentity.Operation) string {
	var made struct {
		Name string `json:"name"`
	}
	if !operation.Done || json.Unmarshal(operation.Response, &made) != nil {
		return ""
	}
	return made.Name
}

// errNotYet is how shown ends when it has asked long enough.
var errNotYet = errors.New("not to be seen yet")

// shown asks until the platform shows what was written, for a few seconds. What
// takes longer is left to whoever tries again.
func shown(ctx context.Context, what string, look func() (bool, error)) error {
	const first, last = 50 * time.Millisecond, 2 * time.Second
	for wait := first; ; wait *= 2 {
		done, err := look()
		if done || err != nil {
			return err
		}
		if wait > last {
			return fmt.Errorf("gcp: %w: %s is %w", fault.ErrUnavailable, what, errNotYet)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return failure(ctx, "waiting for "+what, ctx.Err())
		case <-timer.C:
		}
	}
}
