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

// How long another's change of the same account is waited for, and how long to
// stay away after that.
const (
	queueFor = 20 * time.Second
	comeBack = 10 * time.Second
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

// change starts the change when it is its turn, and returns when it has ended.
// An account takes one at a time, and AWS ten in all.
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
	case errors.Is(err, errFailed) && errors.Is(err, fault.ErrUnavailable):
		return d.refusedBy(ctx, a.account, err)
	default:
		return err
	}
}

// refusedBy returns what a change of an assignment failed for, which AWS did not say: an
// account that is not active takes no changes until an administrator of the organization
// acts. Otherwise it returns err.
// Source: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_account_state.html.
func (d *Driver) refusedBy(ctx context.Context, account string, err error) error {
	state, there, unread := d.accountState(ctx, account)
	if unread != nil || !there || state == orgtypes.AccountStateActive || state == "" {
		return err
	}
	return fault.Advise(
		fmt.Errorf("aws: account %s: %w: it is %s, and AWS changes no assignments on it", account, fault.ErrDenied, state),
		"reactivate the account, or remove the tenant from the documents")
}

// begin starts the change. While somebody else's is in the way it waits: that is
// a queue, not a failure. A change that a worker started before it died is one too.
func (d *Driver) begin(ctx context.Context, a assignment) (*types.AccountAssignmentOperationStatus, error) {
	id, err := d.center.find(ctx)
	if err != nil {
		return nil, err
	}
	var wait backoff
	for left := d.queueFor; ; {
		status, err := d.start(ctx, id, a)
		if !errors.Is(err, fault.ErrConflict) {
			return status, err
		}
		if left <= 0 {
			return nil, fault.Throttled(fmt.Errorf("aws: %s: another change of an assignment is in the way", a.operation()), comeBack)
		}
		spent, err := wait.pause(ctx)
		if err != nil {
			return nil, err
		}
		left -= spent
	}
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

// await looks at the change until it has ended.
func (d *Driver) await(ctx context.Context, a assignment, status *types.AccountAssignmentOperationStatus) error {
	var wait backoff
	for {
		switch {
		case status == nil || aws.ToString(status.RequestId) == "":
			return unreadable(a.operation())
		case status.Status == types.StatusValuesSucceeded:
			return nil
		case status.Status == types.StatusValuesFailed:
			return failed(a.operation()+", request "+*status.RequestId, aws.ToString(status.FailureReason))
		case status.Status != types.StatusValuesInProgress:
			return unreadable(a.operation())
		}
		if _, err := wait.pause(ctx); err != nil {
			return err
		}
		var err error
		if status, err = d.progress(ctx, a, *status.RequestId); err != nil {
			return err
		}
	}
}

func (d *Driver) progress(ctx context.Context, a assignment, requestID string) (*types.AccountAssignmentOperationStatus, error) {
	id, err := d.center.find(ctx)
	if err != nil {
		return nil, err
	}
	operation := "status of " + a.operation()
	if a.remove {
		out, err := ask(ctx, d.api, operation,
			func(ctx context.Context, with *clients) (*ssoadmin.DescribeAccountAssignmentDeletionStatusOutput, error) {
				return with.sso.DescribeAccountAssignmentDeletionStatus(ctx, &ssoadmin.DescribeAccountAssignmentDeletionStatusInput{
					InstanceArn: &id.arn, AccountAssignmentDeletionRequestId: &requestID,
				})
			})
		if err != nil {
			return nil, lost(err)
		}
		return out.AccountAssignmentDeletionStatus, nil
	}
	out, err := ask(ctx, d.api, operation,
		func(ctx context.Context, with *clients) (*ssoadmin.DescribeAccountAssignmentCreationStatusOutput, error) {
			return with.sso.DescribeAccountAssignmentCreationStatus(ctx, &ssoadmin.DescribeAccountAssignmentCreationStatusInput{
				InstanceArn: &id.arn, AccountAssignmentCreationRequestId: &requestID,
			})
		})
	if err != nil {
		return nil, lost(err)
	}
	return out.AccountAssignmentCreationStatus, nil
}

// lost makes a request that AWS does not know an unknown end, which is no answer
// about the assignment.
func lost(err error) error {
	if errors.Is(err, fault.ErrNotFound) {
		return fmt.Errorf("aws: %w: AWS does not know its own request", fault.ErrUnavailable)
	}
	return err
}
