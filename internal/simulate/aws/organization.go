package aws

import "time"

// account is a member of the organization.
type account struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	State  string    `json:"state"` // ACTIVE, SUSPENDED, PENDING_CLOSURE, CLOSED
	Joined time.Time `json:"joined"`
}

type accountRef struct {
	AccountID string `json:"AccountId" shape:"!AccountId"`
}

type accountPage struct {
	MaxResults *int    `json:"MaxResults" shape:"OrganizationsMax"`
	NextToken  *string `json:"NextToken"  shape:"OrganizationsToken"`
}

func (s *Server) organizationsOperations() []handler {
	return []handler{
		op(s, "organizations.DescribeAccount", organizations, false, s.describeAccount),
		op(s, "organizations.ListAccounts", organizations, false, s.listAccounts),
	}
}

func (s *Server) answerAccount(a account) map[string]any {
	status := a.State
	if status == "CLOSED" {
		status = "SUSPENDED" // Status has no such value
	}
	return map[string]any{
		"Id": a.ID, "Arn": "arn:aws:organizations::" + s.db.Management + ":account/o-exampleorg1/" + a.ID,
		"Email": "account-" + a.ID + "@example.com", "Name": a.Name, "Status": status, "State": a.State,
		"JoinedMethod": "CREATED", "JoinedTimestamp": seconds(a.Joined),
	}
}

func (s *Server) describeAccount(in accountRef) (any, *refusal) {
	a, ok := s.db.Accounts.GetAt(s.seen(), in.AccountID)
	if !ok {
		return nil, refuse(accountMissing, "You specified an account that doesn't exist.")
	}
	return map[string]any{"Account": s.answerAccount(a)}, nil
}

func (s *Server) listAccounts(in accountPage) (any, *refusal) {
	rows, next, refused := page(s, "accounts", maxAccounts, paging{in.MaxResults, in.NextToken},
		s.db.Accounts.AllAt(s.seen()), func(a account) string { return a.ID })
	if refused != nil {
		return nil, refuse(invalidInput, "%s", refused.message).with("Reason", "INVALID_NEXT_TOKEN")
	}
	answers := []map[string]any{}
	for _, a := range rows {
		answers = append(answers, s.answerAccount(a))
	}
	return struct {
		Accounts  []map[string]any `json:"Accounts"`
		NextToken *string          `json:"NextToken,omitempty"`
	}{answers, next}, nil
}
