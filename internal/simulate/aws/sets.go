package aws

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// permissionSet is what an assignment gives.
type permissionSet struct {
	ARN         string    `json:"arn"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
}

type instancePage struct {
	MaxResults *int    `json:"MaxResults" shape:"MaxResults"`
	NextToken  *string `json:"NextToken"  shape:"Token"`
}

type setPage struct {
	InstanceArn string  `json:"InstanceArn" shape:"!InstanceArn"`
	MaxResults  *int    `json:"MaxResults"  shape:"MaxResults"`
	NextToken   *string `json:"NextToken"   shape:"Token"`
}

type setRef struct {
	InstanceArn      string `json:"InstanceArn"      shape:"!InstanceArn"`
	PermissionSetArn string `json:"PermissionSetArn" shape:"!PermissionSetArn"`
}

type provisionedSets struct {
	InstanceArn        string  `json:"InstanceArn"        shape:"!InstanceArn"`
	AccountID          string  `json:"AccountId"          shape:"!AccountId"`
	ProvisioningStatus *string `json:"ProvisioningStatus" shape:"ProvisioningStatus"`
	MaxResults         *int    `json:"MaxResults"         shape:"MaxResults"`
	NextToken          *string `json:"NextToken"          shape:"Token"`
}

func (s *Server) setOperations() []handler {
	return []handler{
		op(s, "sso-admin.ListInstances", ssoAdmin, false, s.listInstances),
		op(s, "sso-admin.ListPermissionSets", ssoAdmin, false, s.listSets),
		op(s, "sso-admin.DescribePermissionSet", ssoAdmin, false, s.describeSet),
		op(s, "sso-admin.ListPermissionSetsProvisionedToAccount", ssoAdmin, false, s.listProvisioned),
	}
}

func (s *Server) ofInstance(arn string) *refusal {
	if arn != s.db.Instance {
		return refuse(notFound, "Instance with ARN %s is not found", arn)
	}
	return nil
}

func (s *Server) listInstances(instancePage) (any, *refusal) {
	return map[string]any{"Instances": []map[string]any{{
		"InstanceArn": s.db.Instance, "IdentityStoreId": s.db.Store, "OwnerAccountId": s.db.Management, "Status": "ACTIVE",
		"CreatedDate": seconds(time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)),
	}}}, nil
}

// newSet makes a permission set. The caller holds the lock.
func (s *Server) newSet(name string) permissionSet {
	id := strings.ReplaceAll(uuid.NewString(), "-", "")[:16]
	set := permissionSet{
		ARN:  strings.Replace(s.db.Instance, ":instance/", ":permissionSet/", 1) + "/ps-" + id,
		Name: name, Created: s.now(),
	}
	s.db.Sets.Put(s.now(), set.ARN, set)
	return set
}

func (s *Server) listSets(in setPage) (any, *refusal) {
	if refused := s.ofInstance(in.InstanceArn); refused != nil {
		return nil, refused
	}
	arns := []string{}
	for _, set := range s.db.Sets.AllAt(s.seen()) {
		arns = append(arns, set.ARN)
	}
	return s.setPage("sets", paging{in.MaxResults, in.NextToken}, arns)
}

func (s *Server) setPage(kind string, ask paging, arns []string) (any, *refusal) {
	arns, next, refused := page(s, kind, maxPage, ask, arns, func(arn string) string { return arn })
	if refused != nil {
		return nil, refused
	}
	return struct {
		PermissionSets []string `json:"PermissionSets"`
		NextToken      *string  `json:"NextToken,omitempty"`
	}{arns, next}, nil
}

func (s *Server) describeSet(in setRef) (any, *refusal) {
	if refused := s.ofInstance(in.InstanceArn); refused != nil {
		return nil, refused
	}
	set, ok := s.db.Sets.GetAt(s.seen(), in.PermissionSetArn)
	if !ok {
		return nil, refuse(notFound, "Could not find PermissionSet with ARN %s", in.PermissionSetArn)
	}
	answer := map[string]any{
		"Name": set.Name, "PermissionSetArn": set.ARN, "CreatedDate": seconds(set.Created), "SessionDuration": "PT1H",
	}
	if set.Description != "" {
		answer["Description"] = set.Description
	}
	return map[string]any{"PermissionSet": answer}, nil
}

func (s *Server) listProvisioned(in provisionedSets) (any, *refusal) {
	if refused := s.ofInstance(in.InstanceArn); refused != nil {
		return nil, refused
	}
	arns, seen := []string{}, map[string]bool{}
	for _, a := range s.db.Assignments.AllAt(s.seen()) {
		if a.Account == in.AccountID && !seen[a.Set] {
			seen[a.Set] = true
			arns = append(arns, a.Set)
		}
	}
	return s.setPage("provisioned-"+in.AccountID, paging{in.MaxResults, in.NextToken}, sorted(arns))
}
