package kubernetes

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// answered returns the status that an API server sends for an answer.
func answered(a fault.Answer) (metav1.Status, time.Duration) {
	status := metav1.Status{
		Code: int32(a.Status), Reason: metav1.StatusReason(a.Code), Message: a.Message, Details: &metav1.StatusDetails{Name: "rollcall"},
	}
	if a.Code == string(corev1.NamespaceTerminatingCause) {
		status.Reason, status.Details.Causes = metav1.StatusReasonForbidden, []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	}
	return status, a.After
}

// TestRefusals walks the table: each row is what an answer of its kind ends as.
func TestRefusals(t *testing.T) {
	for _, finding := range refusals().Findings(func(a fault.Answer) error {
		status, after := answered(a)
		return refused("POST rolebindings", status, after)
	}) {
		t.Error(finding)
	}
}

// TestForbiddenForAReason: 403 is a lack of rights, of quota, or an admission plugin's no.
func TestForbiddenForAReason(t *testing.T) {
	for reason, c := range map[string]struct {
		answer fault.Answer
		class  error
		advice string
	}{
		"escalation": {
			fault.Answer{Status: 403, Code: "Forbidden", Message: `rolebindings "x" is forbidden: user "ada" (groups=["g"]) is attempting to grant RBAC permissions not currently held`},
			fault.ErrDenied, "verb bind",
		},
		"a webhook": {
			fault.Answer{Status: 400, Message: `admission webhook "policy.example.com" denied the request: ada may not`}, fault.ErrDenied, "admission webhook",
		},
		"a policy": {
			fault.Answer{Status: 422, Code: "Invalid", Message: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: ada`}, fault.ErrDenied, "admission policy",
		},
		"a webhook that is down": {
			fault.Answer{Status: 500, Code: "InternalError", Message: `Internal error occurred: failed calling webhook "w"`}, fault.ErrUnavailable, "does not answer",
		},
		"etcd":                                {fault.Answer{Status: 500, Message: "etcdserver: request is too large"}, fault.ErrInvalid, "too large"},
		"plain":                               {fault.Answer{Status: 403, Code: "Forbidden", Message: `user "ada" cannot create`}, fault.ErrDenied, ""},
		"a status that the API does not have": {fault.Answer{Status: 420}, fault.ErrUnknown, ""},
	} {
		status, after := answered(c.answer)
		err := refused("POST rolebindings", status, after)
		if !errors.Is(fault.Class(err), fault.Class(c.class)) || !strings.Contains(fault.Advice(err), c.advice) ||
			(c.advice == "") != (fault.Advice(err) == "") || strings.Contains(err.Error(), "ada") {
			t.Errorf("%s: got %v with the advice %q, want %v with %q", reason, err, fault.Advice(err), c.class, c.advice)
		}
	}
}
