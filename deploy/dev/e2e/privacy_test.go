package e2e

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// TestNobodyIsNamedOutsideTheDatabase runs every path, failures among them, and
// looks for people in all that Temporal keeps and in all that the worker logs.
func TestNobodyIsNamedOutsideTheDatabase(t *testing.T) {
	s := newStack(t)
	file, org := memoryWorld(t, 2, 5)
	s.worker()
	s.apply(org.documents())
	s.must(done, "plan", "--all")
	s.replicate(done)
	leavers := []string{bindingName(0, "admin", 0)}
	for n := range 4 {
		leavers = append(leavers, bindingName(0, "user", n))
	}
	s.apply(without(org.documents(), leavers...), "--prune", "--yes")
	s.replicate(waiting)
	breakPlatform(t, file, memory.Fault{Op: "write:*", Class: "denied"})
	s.apply(org.documents())
	if r := s.replicate(failed); r.Failed != 1 || len(r.Items[0].Remarks) == 0 || r.Items[0].Remarks[0].Code != string(access.PlatformDenied) {
		t.Errorf("with all writes denied: %+v, want the tenant that differs to fail, with a remark", r)
	}

	kept := s.everythingTemporalKeeps()
	for _, log := range s.logs {
		kept["worker's log"] += log.text()
	}
	for _, secret := range secretsOf(org) {
		for where, text := range kept {
			if strings.Contains(text, secret) {
				t.Errorf("%q stands in the %s", secret, where)
			}
		}
	}
	// The search would find what is there: workflow IDs are in the open.
	found := false
	for _, text := range kept {
		found = found || strings.Contains(text, "acme.project-00/sandbox.local")
	}
	if !found || len(kept) < 6 {
		t.Errorf("%d texts were searched and none names the tenant: the search finds nothing at all", len(kept))
	}
	// Every input of a workflow has a cause, and no people: it shows whether
	// payloads are encrypted at all.
	for where, text := range kept {
		if strings.Contains(text, `"cause"`) {
			t.Errorf("the %s holds a payload that is not encrypted", where)
		}
	}
}

// secretsOf are the names, addresses and euids of all people.
func secretsOf(org organisation) []string {
	var secrets []string
	for _, role := range roles {
		for n := range org.people {
			secrets = append(secrets, person(role, n))
		}
	}
	return append(secrets, "@example.com")
}

// everythingTemporalKeeps returns all histories with what is listed about their
// workflows, base64 decoded where it is.
func (s *stack) everythingTemporalKeeps() map[string]string {
	s.t.Helper()
	c := s.client()
	kept := map[string]string{}
	var token []byte
	for {
		page, err := c.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{NextPageToken: token})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, info := range page.GetExecutions() {
			execution := info.GetExecution()
			history := &historypb.History{}
			events := c.GetWorkflowHistory(s.t.Context(), execution.GetWorkflowId(), execution.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				e, err := events.Next()
				if err != nil {
					s.t.Fatal(err)
				}
				history.Events = append(history.Events, e)
			}
			kept["history of "+execution.GetWorkflowId()+" "+execution.GetRunId()] = decoded(protojson.Format(history) + protojson.Format(info))
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return kept
		}
	}
}

// base64Text is what may be base64 in JSON.
var base64Text = regexp.MustCompile(`"[A-Za-z0-9+/]{8,}={0,2}"`)

// decoded returns text with, after it, all base64 in it decoded.
func decoded(text string) string {
	var b strings.Builder
	b.WriteString(text)
	for _, quoted := range base64Text.FindAllString(text, -1) {
		if plain, err := base64.StdEncoding.DecodeString(strings.Trim(quoted, `"`)); err == nil {
			b.WriteByte('\n')
			b.Write(plain)
		}
	}
	return b.String()
}
