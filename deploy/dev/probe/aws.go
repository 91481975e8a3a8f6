package probe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// AWS asks Identity Center for the assignments on an account and Identity Store
// for the members of the groups that have them.
type AWS struct {
	URL, Region       string
	AccessKey, Secret string

	mu              sync.Mutex
	instance, store string
	users           map[string]string // names by id
}

// The services, as calls and signatures name them.
const (
	ssoAdmin      = "sso SWBExternalService"
	identityStore = "identitystore AWSIdentityStore"
)

// call makes one call of an operation.
func (a *AWS) call(ctx context.Context, service, operation string, in map[string]any, into any) error {
	name, target, _ := strings.Cut(service, " ")
	api := caller{
		base: a.URL,
		prepare: func(_ context.Context, r *http.Request, body []byte) error {
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			r.Header.Set("X-Amz-Target", target+"."+operation)
			a.sign(r, body, name, time.Now().UTC())
			return nil
		},
		gone: func(_ int, body []byte) bool { return bytes.Contains(body, []byte("ResourceNotFoundException")) },
	}
	return api.do(ctx, http.MethodPost, "/", in, into)
}

// sign adds a signature of version 4, for a call without a query.
func (a *AWS) sign(r *http.Request, body []byte, service string, now time.Time) {
	at, day := now.Format("20060102T150405Z"), now.Format("20060102")
	r.Header.Set("X-Amz-Date", at)
	const signed = "content-type;host;x-amz-date;x-amz-target"
	canonical := strings.Join([]string{
		r.Method, "/", "",
		"content-type:" + r.Header.Get("Content-Type"), "host:" + r.URL.Host, "x-amz-date:" + at,
		"x-amz-target:" + r.Header.Get("X-Amz-Target"), "", signed, hashed(body),
	}, "\n")
	scope := strings.Join([]string{day, a.Region, service, "aws4_request"}, "/")
	key := []byte("AWS4" + a.Secret)
	for _, part := range []string{day, a.Region, service, "aws4_request"} {
		key = keyed(key, part)
	}
	signature := hex.EncodeToString(keyed(key, strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, hashed([]byte(canonical))}, "\n")))
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		a.AccessKey, scope, signed, signature))
}

func hashed(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func keyed(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum(nil)
}

// all reads every page of a list.
func all[T any](ctx context.Context, a *AWS, service, operation string, in map[string]any, items func(*T) (next string)) error {
	return pages(func(next string) (string, error) {
		if next != "" {
			in["NextToken"] = next
		}
		var page T
		if err := a.call(ctx, service, operation, in, &page); err != nil {
			return "", err
		}
		return items(&page), nil
	})
}

// know finds out what does not change: the instance, and who has which id.
func (a *AWS) know(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users != nil {
		return nil
	}
	var there struct {
		Instances []struct{ InstanceArn, IdentityStoreID string }
	}
	if err := a.call(ctx, ssoAdmin, "ListInstances", map[string]any{}, &there); err != nil {
		return err
	}
	if len(there.Instances) != 1 {
		return fmt.Errorf("probe: aws has %d instances, want one", len(there.Instances))
	}
	a.instance, a.store = there.Instances[0].InstanceArn, there.Instances[0].IdentityStoreID
	type page struct {
		Users     []struct{ UserID, UserName string }
		NextToken string
	}
	users := map[string]string{}
	err := all(ctx, a, identityStore, "ListUsers", map[string]any{"IdentityStoreId": a.store}, func(p *page) string {
		for _, u := range p.Users {
			users[u.UserID] = u.UserName
		}
		return p.NextToken
	})
	if err == nil {
		a.users = users
	}
	return err
}

// assigned returns the permission sets that groups have on an account.
func (a *AWS) assigned(ctx context.Context, account string) (found []assigned, err error) {
	if err := a.know(ctx); err != nil {
		return nil, err
	}
	type sets struct {
		PermissionSets []string
		NextToken      string
	}
	var arns []string
	err = all(ctx, a, ssoAdmin, "ListPermissionSetsProvisionedToAccount",
		map[string]any{"InstanceArn": a.instance, "AccountId": account}, func(p *sets) string {
			arns = append(arns, p.PermissionSets...)
			return p.NextToken
		})
	if err != nil {
		return nil, err
	}
	type page struct {
		AccountAssignments []struct{ PrincipalID, PrincipalType string }
		NextToken          string
	}
	for _, arn := range arns {
		in := map[string]any{"InstanceArn": a.instance, "AccountId": account, "PermissionSetArn": arn}
		err := all(ctx, a, ssoAdmin, "ListAccountAssignments", in, func(p *page) string {
			for _, one := range p.AccountAssignments {
				if one.PrincipalType == "GROUP" {
					found = append(found, assigned{role: arn, group: one.PrincipalID})
				}
			}
			return p.NextToken
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// members returns the names of the accounts in a group.
func (a *AWS) members(ctx context.Context, group string) (names []string, err error) {
	type page struct {
		GroupMemberships []struct{ MemberID struct{ UserID string } }
		NextToken        string
	}
	in := map[string]any{"IdentityStoreId": a.store, "GroupId": group}
	err = all(ctx, a, identityStore, "ListGroupMemberships", in, func(p *page) string {
		for _, m := range p.GroupMemberships {
			names = append(names, a.users[m.MemberID.UserID])
		}
		return p.NextToken
	})
	if errors.Is(err, errGone) {
		return nil, nil // nobody is in a group that is gone
	}
	return names, err
}

// Ask implements Asker: roles are permission sets' ARNs.
func (a *AWS) Ask(ctx context.Context, tenant string, _ []Right) (map[Right]bool, error) {
	given, err := a.assigned(ctx, tenant)
	if err != nil {
		return nil, err
	}
	has := map[Right]bool{}
	for _, one := range given {
		inside, err := a.members(ctx, one.group)
		if err != nil {
			return nil, err
		}
		for _, name := range inside {
			has[Right{Account: name, Role: one.role}] = true
		}
	}
	return has, nil
}

// Groups implements Asker.
func (a *AWS) Groups(ctx context.Context, tenant string) (names []string, err error) {
	given, err := a.assigned(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for _, one := range given {
		var got struct{ DisplayName string }
		err := a.call(ctx, identityStore, "DescribeGroup", map[string]any{"IdentityStoreId": a.store, "GroupId": one.group}, &got)
		switch {
		case errors.Is(err, errGone): // an assignment outlives its group
		case err != nil:
			return nil, err
		default:
			names = append(names, got.DisplayName)
		}
	}
	return names, nil
}
