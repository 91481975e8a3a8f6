package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin/types"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// requests remembers the change of an assignment that each account is busy with, so that
// the next Apply asks about it in one call. Another worker finds it by a list.
type requests struct {
	mu        sync.Mutex
	byAccount map[string]running
}

// running is a change that AWS had not ended when it was last seen.
type running struct {
	assignment

	id string
	at time.Time
}

const (
	// rememberFor is how long a request is remembered that nothing has asked about.
	rememberFor = time.Hour
	// rememberMost is how many are, until the old ones go.
	rememberMost = 4096
)

func (r *requests) put(a assignment, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byAccount == nil {
		r.byAccount = map[string]running{}
	}
	if len(r.byAccount) >= rememberMost {
		maps.DeleteFunc(r.byAccount, func(_ string, old running) bool { return time.Since(old.at) > rememberFor })
	}
	r.byAccount[a.account] = running{a, id, time.Now()}
}

func (r *requests) get(account string) (running, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.byAccount[account]
	return known, ok && time.Since(known.at) <= rememberFor
}

func (r *requests) forget(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byAccount, account)
}

// resume returns the status of the change where it is the one that the account was busy
// with, however it ended. Another change that is not over yet is in the way. Without
// either, both results are nil.
func (d *Driver) resume(ctx context.Context, a assignment) (*types.AccountAssignmentOperationStatus, error) {
	known, ok := d.requests.get(a.account)
	if !ok {
		return nil, nil //nolint:nilnil // nothing is under way, and that is no error
	}
	status, err := d.progress(ctx, known.assignment, known.id)
	switch {
	case errors.Is(err, errUnknownRequest):
		d.requests.forget(a.account)
		return nil, nil //nolint:nilnil // AWS no longer knows it: it has ended
	case err != nil:
		return nil, err
	case known.assignment == a:
		return status, nil
	case status != nil && status.Status == types.StatusValuesInProgress:
		return nil, busy(a)
	default:
		d.requests.forget(a.account)
		return nil, nil //nolint:nilnil // it has ended
	}
}

// findRequest asks AWS which change keeps the account busy, and returns its status where it
// is the same change. Of another one it only remembers the id.
func (d *Driver) findRequest(ctx context.Context, id identity, a assignment) (*types.AccountAssignmentOperationStatus, error) {
	for _, remove := range []bool{a.remove, !a.remove} {
		ids, err := d.inProgress(ctx, id, remove)
		if err != nil {
			return nil, err
		}
		for _, requestID := range ids {
			other, status, err := d.onAccount(ctx, a.account, requestID, remove)
			switch {
			case err != nil:
				return nil, err
			case status == nil:
				continue
			case other == a:
				return status, nil
			}
			d.requests.put(other, requestID) // an account is busy with one change at a time
			return nil, nil                  //nolint:nilnil // another change is under way, and that is no error
		}
	}
	return nil, nil //nolint:nilnil // it has ended meanwhile, or ten changes of other accounts are open
}

// onAccount returns what a request changes on the account; no status where it is about
// another account, or over.
func (d *Driver) onAccount(
	ctx context.Context, account, requestID string, remove bool,
) (assignment, *types.AccountAssignmentOperationStatus, error) {
	of := assignment{account: account, remove: remove}
	status, err := d.progress(ctx, of, requestID)
	switch {
	case errors.Is(err, errUnknownRequest):
		return of, nil, nil
	case err != nil:
		return of, nil, err
	case status == nil || aws.ToString(status.TargetId) != account:
		return of, nil, nil
	}
	of.set, of.group = aws.ToString(status.PermissionSetArn), aws.ToString(status.PrincipalId)
	return of, status, nil
}

// inProgress returns the ids of all creations, or deletions, that are IN_PROGRESS: at
// most as many as AWS takes at once.
func (d *Driver) inProgress(ctx context.Context, id identity, remove bool) ([]string, error) {
	filter := &types.OperationStatusFilter{Status: types.StatusValuesInProgress}
	operation, read := "sso-admin ListAccountAssignmentCreationStatus", d.creations
	if remove {
		operation, read = "sso-admin ListAccountAssignmentDeletionStatus", d.deletions
	}
	all, err := list(operation, func(token *string) (page[types.AccountAssignmentOperationStatusMetadata], error) {
		return read(ctx, id, operation, filter, token)
	})
	var ids []string
	for _, request := range all {
		if requestID := aws.ToString(request.RequestId); requestID != "" {
			ids = append(ids, requestID)
		}
	}
	return ids, err
}

func (d *Driver) creations(
	ctx context.Context, id identity, operation string, filter *types.OperationStatusFilter, token *string,
) (page[types.AccountAssignmentOperationStatusMetadata], error) {
	out, err := ask(ctx, d.api, operation,
		func(ctx context.Context, with *clients) (*ssoadmin.ListAccountAssignmentCreationStatusOutput, error) {
			return with.sso.ListAccountAssignmentCreationStatus(ctx, &ssoadmin.ListAccountAssignmentCreationStatusInput{
				InstanceArn: &id.arn, Filter: filter, MaxResults: new(pageSize), NextToken: token,
			})
		})
	if err != nil {
		return page[types.AccountAssignmentOperationStatusMetadata]{}, err
	}
	return page[types.AccountAssignmentOperationStatusMetadata]{out.AccountAssignmentsCreationStatus, out.NextToken}, nil
}

func (d *Driver) deletions(
	ctx context.Context, id identity, operation string, filter *types.OperationStatusFilter, token *string,
) (page[types.AccountAssignmentOperationStatusMetadata], error) {
	out, err := ask(ctx, d.api, operation,
		func(ctx context.Context, with *clients) (*ssoadmin.ListAccountAssignmentDeletionStatusOutput, error) {
			return with.sso.ListAccountAssignmentDeletionStatus(ctx, &ssoadmin.ListAccountAssignmentDeletionStatusInput{
				InstanceArn: &id.arn, Filter: filter, MaxResults: new(pageSize), NextToken: token,
			})
		})
	if err != nil {
		return page[types.AccountAssignmentOperationStatusMetadata]{}, err
	}
	return page[types.AccountAssignmentOperationStatusMetadata]{out.AccountAssignmentsDeletionStatus, out.NextToken}, nil
}

// errUnknownRequest: AWS does not know a request that it has taken. That is no answer about
// the assignment.
var errUnknownRequest = errors.New("AWS does not know its own request")

// unknownRequest makes a request that AWS does not know an unknown end.
func unknownRequest(err error) error {
	if errors.Is(err, fault.ErrNotFound) {
		return fmt.Errorf("aws: %w: %w", fault.ErrUnavailable, errUnknownRequest)
	}
	return err
}
