package aws

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// outstanding is how many changes of assignments may be IN_PROGRESS at once.
const outstanding = 10

// assignment gives a permission set on an account to a group or a user.
type assignment struct {
	Account       string `json:"account"`
	Set           string `json:"set"`
	PrincipalType string `json:"principalType"`
	PrincipalID   string `json:"principalId"`
}

func (a assignment) key() string {
	return a.Account + "|" + a.Set + "|" + a.PrincipalType + "|" + a.PrincipalID
}

// operation is a change of an assignment that is, or was, IN_PROGRESS.
type operation struct {
	ID         string     `json:"id"`
	Assignment assignment `json:"assignment"`
	Delete     bool       `json:"delete"`
	Started    time.Time  `json:"started"`
	// Done is true when it has ended; Reason says why where it FAILED.
	Done   bool   `json:"done"`
	Reason string `json:"reason,omitempty"`
	// Duration is how long it is IN_PROGRESS.
	Duration time.Duration `json:"duration"`
}

type changeAssignment struct {
	InstanceArn      string `json:"InstanceArn"      shape:"!InstanceArn"`
	TargetID         string `json:"TargetId"         shape:"!AccountId"`
	TargetType       string `json:"TargetType"       shape:"!TargetType"`
	PermissionSetArn string `json:"PermissionSetArn" shape:"!PermissionSetArn"`
	PrincipalType    string `json:"PrincipalType"    shape:"!PrincipalType"`
	PrincipalID      string `json:"PrincipalId"      shape:"!ResourceId"`
}

type creationRef struct {
	InstanceArn string `json:"InstanceArn"                        shape:"!InstanceArn"`
	RequestID   string `json:"AccountAssignmentCreationRequestId" shape:"!OperationId"`
}

type deletionRef struct {
	InstanceArn string `json:"InstanceArn"                        shape:"!InstanceArn"`
	RequestID   string `json:"AccountAssignmentDeletionRequestId" shape:"!OperationId"`
}

// listStatuses asks for the requests of one kind, those that have a status where it names one.
type listStatuses struct {
	InstanceArn string `json:"InstanceArn" shape:"!InstanceArn"`
	Filter      *struct {
		Status *string `json:"Status" shape:"StatusValues"`
	} `json:"Filter"`
	MaxResults *int    `json:"MaxResults" shape:"MaxResults"`
	NextToken  *string `json:"NextToken"  shape:"Token"`
}

type listAssignments struct {
	InstanceArn      string  `json:"InstanceArn"      shape:"!InstanceArn"`
	AccountID        string  `json:"AccountId"        shape:"!AccountId"`
	PermissionSetArn string  `json:"PermissionSetArn" shape:"!PermissionSetArn"`
	MaxResults       *int    `json:"MaxResults"       shape:"MaxResults"`
	NextToken        *string `json:"NextToken"        shape:"Token"`
}

type listForPrincipal struct {
	InstanceArn   string `json:"InstanceArn"   shape:"!InstanceArn"`
	PrincipalType string `json:"PrincipalType" shape:"!PrincipalType"`
	PrincipalID   string `json:"PrincipalId"   shape:"!ResourceId"`
	Filter        *struct {
		AccountID *string `json:"AccountId" shape:"AccountId"`
	} `json:"Filter"`
	MaxResults *int    `json:"MaxResults" shape:"MaxResults"`
	NextToken  *string `json:"NextToken"  shape:"Token"`
}

type assignmentAnswer struct {
	AccountID        string `json:"AccountId"`
	PermissionSetArn string `json:"PermissionSetArn"`
	PrincipalType    string `json:"PrincipalType"`
	PrincipalID      string `json:"PrincipalId"`
}

func (s *Server) assignmentOperations() []handler {
	creation := func(in changeAssignment) (any, *refusal) { return s.begin(in, false) }
	deletion := func(in changeAssignment) (any, *refusal) { return s.begin(in, true) }
	return []handler{
		op(s, "sso-admin.CreateAccountAssignment", ssoAdmin, true, creation),
		op(s, "sso-admin.DeleteAccountAssignment", ssoAdmin, true, deletion),
		op(s, "sso-admin.DescribeAccountAssignmentCreationStatus", ssoAdmin, false, func(in creationRef) (any, *refusal) {
			return s.describe(in.InstanceArn, in.RequestID, false)
		}),
		op(s, "sso-admin.DescribeAccountAssignmentDeletionStatus", ssoAdmin, false, func(in deletionRef) (any, *refusal) {
			return s.describe(in.InstanceArn, in.RequestID, true)
		}),
		op(s, "sso-admin.ListAccountAssignmentCreationStatus", ssoAdmin, false, func(in listStatuses) (any, *refusal) {
			return s.listStatuses(in, false, "AccountAssignmentsCreationStatus")
		}),
		op(s, "sso-admin.ListAccountAssignmentDeletionStatus", ssoAdmin, false, func(in listStatuses) (any, *refusal) {
			return s.listStatuses(in, true, "AccountAssignmentsDeletionStatus")
		}),
		op(s, "sso-admin.ListAccountAssignments", ssoAdmin, false, s.listAssignments),
		op(s, "sso-admin.ListAccountAssignmentsForPrincipal", ssoAdmin, false, s.listForPrincipal),
	}
}

// begin starts a change. It is refused at once only for what is known at once.
func (s *Server) begin(in changeAssignment, remove bool) (any, *refusal) {
	if refused := s.ofInstance(in.InstanceArn); refused != nil {
		return nil, refused
	}
	if _, ok := s.db.Sets.Get(in.PermissionSetArn); !ok {
		return nil, refuse(notFound, "Could not find PermissionSet with ARN %s", in.PermissionSetArn)
	}
	if !s.principal(in.PrincipalType, in.PrincipalID) && !remove {
		return nil, refuse(notFound, "%s %s not found", in.PrincipalType, in.PrincipalID)
	}
	for _, id := range s.db.Pending {
		if s.db.Operations[id].Assignment.Account == in.TargetID {
			return nil, refuse(conflict, "There is a conflicting operation in process")
		}
	}
	if len(s.db.Pending) >= outstanding {
		return nil, refuse(conflict, "There are too many operations in process")
	}
	o := &operation{
		ID: uuid.NewString(), Delete: remove, Started: s.now(),
		Assignment: assignment{
			Account: in.TargetID, Set: in.PermissionSetArn, PrincipalType: in.PrincipalType, PrincipalID: in.PrincipalID,
		},
	}
	s.startOperation(o)
	return s.answerOperation(o), nil
}

func (s *Server) startOperation(o *operation) {
	o.Duration = s.options.Assignment
	if slow, ok := s.db.Slow[o.Assignment.Account]; ok {
		o.Duration = slow
	}
	s.db.Operations[o.ID] = o
	s.db.Pending = append(s.db.Pending, o.ID)
}

func (s *Server) principal(kind, id string) bool {
	if kind == "USER" {
		_, ok := s.db.Users.Get(id)
		return ok
	}
	_, ok := s.db.Groups.Get(id)
	return ok
}

// settle ends the changes whose time has come.
func (s *Server) settle() {
	s.db.Pending = slices.DeleteFunc(s.db.Pending, func(id string) bool {
		o := s.db.Operations[id]
		if s.now().Before(o.Started.Add(o.Duration)) {
			return false
		}
		s.finish(o)
		return true
	})
	const most = 10_000 // from there on nobody asks about the old ones any more
	if len(s.db.Operations) > most {
		maps.DeleteFunc(s.db.Operations, func(_ string, o *operation) bool {
			return o.Done && s.now().Sub(o.Started) > time.Hour
		})
	}
}

func (s *Server) finish(o *operation) {
	o.Done, o.Reason = true, s.reason(o)
	switch {
	case o.Reason != "":
	case o.Delete:
		s.db.Assignments.Delete(s.now(), o.Assignment.key())
	default:
		s.putAssignment(o.Assignment)
	}
}

// reason is why a change FAILED, or "".
func (s *Server) reason(o *operation) string {
	a := o.Assignment
	if reason, asked := s.db.Failures[a.Account]; asked {
		delete(s.db.Failures, a.Account)
		return reason
	}
	_, there := s.db.Assignments.Get(a.key())
	target, known := s.db.Accounts.Get(a.Account)
	switch {
	case !known:
		return "Received a 404 status error: AWS account " + a.Account + " is not part of the organization"
	case target.State != "ACTIVE":
		return "Obtaining permissions to manage your AWS account " + a.Account + " is taking longer than usual."
	case o.Delete && !there:
		return "Received a 404 status error: the assignment is not found"
	case !o.Delete && !s.principal(a.PrincipalType, a.PrincipalID):
		return "Received a 404 status error: the principal is not found"
	default:
		return ""
	}
}

func (s *Server) putAssignment(a assignment) {
	if _, there := s.db.Assignments.Get(a.key()); !there {
		s.db.Assignments.Put(s.now(), a.key(), a)
		remember(s.db.OfPrincipal, a.PrincipalID, a.key())
	}
}

func (s *Server) describe(instance, id string, remove bool) (any, *refusal) {
	if refused := s.ofInstance(instance); refused != nil {
		return nil, refused
	}
	o, ok := s.db.Operations[id]
	if !ok || o.Delete != remove {
		return nil, refuse(notFound, "Could not find a request with id %s", id)
	}
	return s.answerOperation(o), nil
}

// status is how far the change is.
func (o *operation) status() string {
	switch {
	case !o.Done:
		return "IN_PROGRESS"
	case o.Reason != "":
		return "FAILED"
	default:
		return "SUCCEEDED"
	}
}

// listStatuses shows ids, states and times only: what a request is about, its description says.
func (s *Server) listStatuses(in listStatuses, remove bool, member string) (any, *refusal) {
	if refused := s.ofInstance(in.InstanceArn); refused != nil {
		return nil, refused
	}
	var found []*operation
	for _, id := range slices.Sorted(maps.Keys(s.db.Operations)) {
		o := s.db.Operations[id]
		asked := in.Filter == nil || in.Filter.Status == nil || *in.Filter.Status == o.status()
		if o.Delete == remove && asked {
			found = append(found, o)
		}
	}
	rows, next, refused := page(s, "statuses-"+member, maxPage, paging{in.MaxResults, in.NextToken}, found,
		func(o *operation) string { return o.ID })
	if refused != nil {
		return nil, refused
	}
	answers := []map[string]any{}
	for _, o := range rows {
		answers = append(answers, map[string]any{"Status": o.status(), "RequestId": o.ID, "CreatedDate": seconds(o.Started)})
	}
	answer := map[string]any{member: answers}
	if next != nil {
		answer["NextToken"] = next
	}
	return answer, nil
}

func (s *Server) answerOperation(o *operation) any {
	status := map[string]any{
		"Status": o.status(), "RequestId": o.ID, "TargetId": o.Assignment.Account, "TargetType": "AWS_ACCOUNT",
		"PermissionSetArn": o.Assignment.Set, "PrincipalType": o.Assignment.PrincipalType, "PrincipalId": o.Assignment.PrincipalID,
		"CreatedDate": seconds(o.Started),
	}
	if o.Done && o.Reason != "" {
		status["FailureReason"] = o.Reason
	}
	if o.Delete {
		return map[string]any{"AccountAssignmentDeletionStatus": status}
	}
	return map[string]any{"AccountAssignmentCreationStatus": status}
}

func (s *Server) listAssignments(in listAssignments) (any, *refusal) {
	if refused := s.ofInstance(in.InstanceArn); refused != nil {
		return nil, refused
	}
	if _, ok := s.db.Sets.GetAt(s.seen(), in.PermissionSetArn); !ok {
		return nil, refuse(notFound, "Could not find PermissionSet with ARN %s", in.PermissionSetArn)
	}
	rows := slices.DeleteFunc(s.db.Assignments.AllAt(s.seen()), func(a assignment) bool {
		return a.Account != in.AccountID || a.Set != in.PermissionSetArn
	})
	return s.assignmentPage("assignments-"+in.AccountID, paging{in.MaxResults, in.NextToken}, rows)
}

// listForPrincipal shows a user's assignments through groups too, as the vendor does.
func (s *Server) listForPrincipal(in listForPrincipal) (any, *refusal) {
	if refused := s.ofInstance(in.InstanceArn); refused != nil {
		return nil, refused
	}
	keys := slices.Clone(s.db.OfPrincipal[in.PrincipalID])
	if in.PrincipalType == "USER" {
		for _, m := range rowsAt(&s.db.Members, s.seen(), s.db.InUser[in.PrincipalID]) {
			keys = append(keys, s.db.OfPrincipal[m.Group]...)
		}
	}
	rows := slices.DeleteFunc(rowsAt(&s.db.Assignments, s.seen(), keys), func(a assignment) bool {
		return in.Filter != nil && in.Filter.AccountID != nil && a.Account != *in.Filter.AccountID ||
			in.PrincipalType == "GROUP" && a.PrincipalType != "GROUP"
	})
	return s.assignmentPage("principal-"+in.PrincipalID, paging{in.MaxResults, in.NextToken}, rows)
}

func (s *Server) assignmentPage(kind string, ask paging, rows []assignment) (any, *refusal) {
	rows, next, refused := page(s, kind, maxPage, ask, rows, assignment.key)
	if refused != nil {
		return nil, refused
	}
	answers := []assignmentAnswer{}
	for _, a := range rows {
		answers = append(answers, assignmentAnswer{
			AccountID: a.Account, PermissionSetArn: a.Set, PrincipalType: a.PrincipalType, PrincipalID: a.PrincipalID,
		})
	}
	return struct {
		AccountAssignments []assignmentAnswer `json:"AccountAssignments"`
		NextToken          *string            `json:"NextToken,omitempty"`
	}{answers, next}, nil
}

func sorted(texts []string) []string {
	slices.Sort(texts)
	return texts
}
