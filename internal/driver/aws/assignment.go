package aws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin/types"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// outstanding is how many changes of assignments AWS takes at once, in all.
const outstanding = 10

// Limits of one Apply. Retries of the step find the change where this one left it.
const (
	queueFor = 5 * time.Second  // how long it waits while another change is in the way
	watchFor = 10 * time.Second // how long it polls its own change
	comeBack = 10 * time.Second // how long to stay away after either
)

// assignment is a change of one: the permission set, for the group, on the account.
type assignment struct {
	account, set, group string
	remove              bool
}

// operation names the change for people.
func (a assignment) operation() string {
	verb := "CreateAccountAssignment"
	if a.remove {
		verb = "DeleteAccountAssignment"
	}
	return fmt.Sprintf("sso-admin %s of %s on %s", verb, a.set, a.account)
}

// change makes the change, or finds it under way, and returns when it has ended. One
// that takes longer than watchFor is fault.ErrPending. An account takes one change at a
// time, and AWS ten in all.
func (d *Driver) change(ctx context.Context, a assignment) error {
	for _, turn := range []struct {
		key  string
		most int
	}{{"account/" + a.account, 1}, {"assignments", outstanding}} {
		release, err := d.budget.Hold(ctx, turn.key, turn.most)
		if err != nil {
			return failure(ctx, a.operation(), err)
		}
		defer release()
	}
	status, err := d.begin(ctx, a)
	if gone(err, "") && !a.remove {
		d.sets.forget(a.set) // it may be the permission set that is gone
	}
	if err != nil {
		return err
	}
	err = d.await(ctx, a, status)
	switch {
	case a.remove && errors.Is(err, fault.ErrNotFound):
		return nil // there is nothing to take away
	case errors.Is(err, errFailed) && errors.Is(err, fault.ErrUnavailable), errors.Is(err, fault.ErrPending):
		return d.refusedBy(ctx, a.account, err)
	default:
		return err
	}
}

// refusedBy returns why a change of an assignment failed or does not end, where AWS did
// not say it: an account that is not active takes no changes until an administrator of
// the organization acts. Otherwise it returns err.
func (d *Driver) refusedBy(ctx context.Context, account string, err error) error {
	state, there, unread := d.accountState(ctx, account)
	if unread != nil || !there || state == orgtypes.AccountStateActive || state == "" {
		return err
	}
	return accountRefused(account, string(state))
}

// begin starts the change, or returns the status of the same change that is under way:
// an earlier Apply, or another worker, has started it. It waits a while for another
// change of the account.
func (d *Driver) begin(ctx context.Context, a assignment) (*types.AccountAssignmentOperationStatus, error) {
	id, err := d.center.find(ctx)
	if err != nil {
		return nil, err
	}
	if status, err := d.resume(ctx, a); status != nil || err != nil {
		return status, err
	}
	status, err := d.start(ctx, id, a)
	if !errors.Is(err, fault.ErrConflict) {
		return status, err
	}
	if status, err = d.findRequest(ctx, id, a); status != nil || err != nil {
		return status, err
	}
	var wait backoff
	for left := d.queueFor; left > 0; {
		spent, err := wait.pause(ctx)
		if err != nil {
			return nil, err
		}
		left -= spent
		if status, err = d.start(ctx, id, a); !errors.Is(err, fault.ErrConflict) {
			return status, err
		}
	}
	return nil, busy(a)
}

// busy is the error of a change that another one of its account has to precede.
func busy(a assignment) error {
	return fault.Throttled(fmt.Errorf("aws: %s: another change of an assignment is in the way", a.operation()), comeBack)
}

func (d *Driver) start(ctx context.Context, id identity, a assignment) (*types.AccountAssignmentOperationStatus, error) {
	if a.remove {
		out, err := ask(ctx, d.api, a.operation(),
			func(ctx context.Context, with *clients) (*ssoadmin.DeleteAccountAssignmentOutput, error) {
				return with.sso.DeleteAccountAssignment(ctx, &ssoadmin.DeleteAccountAssignmentInput{
					InstanceArn: &id.arn, PermissionSetArn: &a.set, PrincipalId: &a.group, PrincipalType: types.PrincipalTypeGroup,
					TargetId: &a.account, TargetType: types.TargetTypeAwsAccount,
				})
			})
		if err != nil {
			return nil, err
		}
		return out.AccountAssignmentDeletionStatus, nil
	}
	out, err := ask(ctx, d.api, a.operation(), func(ctx context.Context, with *clients) (*ssoadmin.CreateAccountAssignmentOutput, error) {
		return with.sso.CreateAccountAssignment(ctx, &ssoadmin.CreateAccountAssignmentInput{
			InstanceArn: &id.arn, PermissionSetArn: &a.set, PrincipalId: &a.group, PrincipalType: types.PrincipalTypeGroup,
			TargetId: &a.account, TargetType: types.TargetTypeAwsAccount,
		})
	})
	if err != nil {
		return nil, err
	}
	return out.AccountAssignmentCreationStatus, nil
}

// await polls the change until it has ended or watchFor is over.
func (d *Driver) await(ctx context.Context, a assignment, status *types.AccountAssignmentOperationStatus) error {
	var wait backoff
	for left := d.watchFor; ; {
		switch {
		case status == nil || aws.ToString(status.RequestId) == "":
			return unreadable(a.operation())
		case status.Status == types.StatusValuesSucceeded:
			d.requests.forget(a.account)
			return nil
		case status.Status == types.StatusValuesFailed:
			d.requests.forget(a.account)
			return failed(a.operation()+", request "+*status.RequestId, aws.ToString(status.FailureReason))
		case status.Status != types.StatusValuesInProgress:
			return unreadable(a.operation())
		}
		d.requests.put(a, *status.RequestId)
		if left <= 0 {
			return d.pending(a)
		}
		spent, err := wait.pause(ctx)
		if err != nil {
			return err
		}
		left -= spent
		if status, err = d.progress(ctx, a, *status.RequestId); err != nil {
			return err
		}
	}
}

// pending is the error of a change that AWS is still carrying out.
func (d *Driver) pending(a assignment) error {
	verb, name := "creating", a.set
	if a.remove {
		verb = "deleting"
	}
	if known, ok := d.sets.known(d.sets.names, a.set); ok {
		name = known
	}
	return fault.Pending(fmt.Errorf("aws: account %s: AWS is still %s the assignment of %s", a.account, verb, name), comeBack)
}

// progress returns the status of a request to change the assignment.
func (d *Driver) progress(ctx context.Context, a assignment, requestID string) (*types.AccountAssignmentOperationStatus, error) {
	id, err := d.center.find(ctx)
	if err != nil {
		return nil, err
	}
	if a.remove {
		operation := "sso-admin DescribeAccountAssignmentDeletionStatus " + requestID
		out, err := ask(ctx, d.api, operation,
			func(ctx context.Context, with *clients) (*ssoadmin.DescribeAccountAssignmentDeletionStatusOutput, error) {
				return with.sso.DescribeAccountAssignmentDeletionStatus(ctx, &ssoadmin.DescribeAccountAssignmentDeletionStatusInput{
					InstanceArn: &id.arn, AccountAssignmentDeletionRequestId: &requestID,
				})
			})
		if err != nil {
			return nil, unknownRequest(err)
		}
		return out.AccountAssignmentDeletionStatus, nil
	}
	operation := "sso-admin DescribeAccountAssignmentCreationStatus " + requestID
	out, err := ask(ctx, d.api, operation,
		func(ctx context.Context, with *clients) (*ssoadmin.DescribeAccountAssignmentCreationStatusOutput, error) {
			return with.sso.DescribeAccountAssignmentCreationStatus(ctx, &ssoadmin.DescribeAccountAssignmentCreationStatusInput{
				InstanceArn: &id.arn, AccountAssignmentCreationRequestId: &requestID,
			})
		})
	if err != nil {
		return nil, unknownRequest(err)
	}
	return out.AccountAssignmentCreationStatus, nil
}
