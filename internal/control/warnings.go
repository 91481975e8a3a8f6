package control

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// warningFilter chooses warnings; empty fields choose all.
type warningFilter struct {
	codes []access.Code
	user  string
	ended bool // the ended warnings, too
}

// choose returns the tenants that have a chosen warning, their statuses with only
// those warnings, and the ended warnings by tenant.
func (f warningFilter) choose(
	ctx context.Context, s *store.Store, tenants []access.TenantID, last statuses,
) ([]access.TenantID, statuses, map[access.TenantID][]Warning, error) {
	ended, err := f.endedWarnings(ctx, s, tenants)
	if err != nil || len(f.codes) == 0 && f.user == "" {
		return tenants, last, ended, err
	}
	user, err := accountsOf(ctx, s, f.user)
	if err != nil {
		return nil, nil, nil, err
	}
	chosen := make(statuses, len(last))
	var with []access.TenantID
	for _, t := range tenants {
		status := last[t]
		var pending []plan.Step
		if f.user != "" {
			if pending, err = lastPending(ctx, s, status); err != nil {
				return nil, nil, nil, err
			}
		}
		status.Remarks = slices.DeleteFunc(slices.Clone(status.Remarks), func(r access.Remark) bool {
			return !f.matches(user, t, r, pending)
		})
		ended[t] = slices.DeleteFunc(ended[t], func(r Warning) bool { return !f.matches(user, t, r.Remark, nil) })
		if len(status.Remarks)+len(ended[t]) > 0 {
			with, chosen[t] = append(with, t), status
		}
	}
	return with, chosen, ended, nil
}

// matches reports whether a warning is chosen.
func (f warningFilter) matches(user *userAccounts, t access.TenantID, r access.Remark, pending []plan.Step) bool {
	return (len(f.codes) == 0 || slices.Contains(f.codes, r.Code)) &&
		(f.user == "" || user.isAffected(t.Platform, r, pending))
}

func (f warningFilter) endedWarnings(
	ctx context.Context, s *store.Store, tenants []access.TenantID,
) (map[access.TenantID][]Warning, error) {
	by := map[access.TenantID][]Warning{}
	if !f.ended {
		return by, nil
	}
	ended, err := s.EndedRemarks(ctx, store.TenantFilter{IDs: tenants})
	for _, r := range ended {
		by[r.Tenant] = append(by[r.Tenant], Warning{Remark: r.Remark, Since: r.Since, Ended: r.Ended})
	}
	return by, err
}

// lastPending returns the steps of the tenant's last plan that wait for an approval or are
// forbidden.
func lastPending(ctx context.Context, s *store.Store, last store.Status) ([]plan.Step, error) {
	digest := cmp.Or(last.Digest, last.Observed.Digest) // a run that read nothing has no plan
	if digest == "" {
		return nil, nil
	}
	p, _, err := s.Plan(ctx, digest)
	return slices.Concat(p.Held, p.Forbidden), err
}

// userAccounts is a user with the names of their accounts.
type userAccounts struct {
	name     string
	accounts map[string]string // by platform
}

// accountsOf finds a user. A user without a document may still have an account: then
// name is the name of the account on every platform.
func accountsOf(ctx context.Context, s *store.Store, name string) (*userAccounts, error) {
	if name == "" {
		return &userAccounts{}, nil
	}
	found := &userAccounts{name: name, accounts: map[string]string{}}
	user, known, err := findUser(ctx, s, name)
	if err != nil {
		return nil, err
	}
	platforms, err := s.Platforms(ctx)
	if err != nil {
		return nil, err
	}
	if known {
		found.name = user.Name
	}
	for _, p := range platforms {
		found.accounts[p.Identifier()] = name
		if known {
			found.accounts[p.Identifier()] = explain.AccountName(user, p)
		}
	}
	return found, nil
}

// isAffected reports whether a warning is about the user: by name, or because a step
// that waits for an approval, or a change by another system, is about their account.
func (a *userAccounts) isAffected(platform string, r access.Remark, pending []plan.Step) bool {
	account := a.accounts[platform]
	switch {
	case r.Code.Personal():
		return r.Object == a.name
	case account == "":
		return false
	case r.Code == access.RemovalHeld, r.Code == access.RemovalsForbidden:
		return slices.ContainsFunc(pending, func(step plan.Step) bool {
			matches := step.Object == r.Object || r.Code == access.RemovalsForbidden
			return matches && slices.ContainsFunc(step.Removes(), func(m access.Member) bool {
				return identity.IgnoreCase.Same(m.Name, account)
			})
		})
	case r.Code == access.ForeignMemberRemoved:
		return namesWord(r.Text, account)
	default:
		return false
	}
}

// namesWord reports whether the text has the word, and not as a part of another.
func namesWord(text, word string) bool {
	for rest := text; ; {
		at := strings.Index(rest, word)
		if at < 0 {
			return false
		}
		end := at + len(word)
		if (at == 0 || !partOfAccount(rest[at-1])) && (end == len(rest) || !partOfAccount(rest[end])) {
			return true
		}
		rest = rest[at+1:]
	}
}

func partOfAccount(b byte) bool {
	return b >= 0x80 || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || strings.IndexByte("@._-+#", b) >= 0
}
