package kubernetes

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// anyName makes names that look like other subjects' refs more often than chance
// would.
func anyName() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", userPrefix, groupPrefix, accountPrefix, "system:"}).Draw(t, "prefix") +
			rapid.StringMatching(`[a-zA-Z/@.:]{1,12}`).Draw(t, "name")
	})
}

func anySubject() *rapid.Generator[rbacv1.Subject] {
	return rapid.Custom(func(t *rapid.T) rbacv1.Subject {
		s := rbacv1.Subject{Kind: rapid.SampledFrom([]string{rbacv1.UserKind, rbacv1.GroupKind, rbacv1.ServiceAccountKind}).Draw(t, "kind")}
		if s.Kind == rbacv1.ServiceAccountKind { // both are checked by the API server
			s.Namespace = rapid.StringMatching(`([a-z-]{1,5})?`).Draw(t, "namespace")
			s.Name = rapid.StringMatching(`[a-z.-]{1,5}`).Draw(t, "account")
			return s
		}
		s.APIGroup, s.Name = rbacv1.GroupName, anyName().Draw(t, "name")
		return s
	})
}

// TestRefsTellSubjectsApart: whoever mistakes a group for a person removes the
// one and keeps the other.
func TestRefsTellSubjectsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySubject().Draw(t, "subject")
		if back := toSubject(subjectRef(s)); back != s {
			t.Fatalf("%+v is written as %q and read as %+v", s, subjectRef(s), back)
		}
	})
}

// TestNamesAreNames: every role that fits has two names of its own, that the API
// takes.
func TestNamesAreNames(t *testing.T) {
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		role := rapid.OneOf(
			rapid.String(), rapid.StringMatching(`[a-z:]{240,253}`), rapid.StringMatching(`[ü名]{79,84}`),
		).Draw(t, "role")
		if rules.Fit(plan.Object{Binding: &access.Binding{Role: role}}) != nil {
			t.Skip("not a role")
		}
		got := names(role)
		if got[0] == got[1] {
			t.Fatalf("role %q: both names are %q", role, got[0])
		}
		for _, name := range got {
			if wrong := path.IsValidPathSegmentName(name); len(wrong) > 0 || len(name) > rules.MaxRoleName+1 {
				t.Fatalf("role %q: name %q of %d bytes: %v", role, name, len(name), wrong)
			}
			if other, taken := seen[name]; taken && other != role {
				t.Fatalf("the roles %q and %q share the name %q", role, other, name)
			}
			seen[name] = role
		}
	})
}

func TestFailures(t *testing.T) {
	status := func(code int32, details *metav1.StatusDetails) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Message: "ada@example.com", Details: details}}
	}
	terminating := &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}}
	for reason, c := range map[string]struct {
		err   error
		class error
		after time.Duration
	}{
		"a malformed request":       {status(http.StatusBadRequest, nil), fault.ErrInvalid, 0},
		"a refused object":          {status(http.StatusUnprocessableEntity, nil), fault.ErrInvalid, 0},
		"too many subjects":         {status(http.StatusRequestEntityTooLarge, nil), fault.ErrInvalid, 0},
		"no credentials":            {status(http.StatusUnauthorized, nil), fault.ErrDenied, 0},
		"no permission":             {status(http.StatusForbidden, nil), fault.ErrDenied, 0},
		"a namespace that goes":     {status(http.StatusForbidden, terminating), fault.ErrNotFound, 0},
		"nothing there":             {status(http.StatusNotFound, nil), fault.ErrNotFound, 0},
		"nothing, says a stranger":  {status(http.StatusNotFound, nil), errNotTheirs, 0},
		"a conflict":                {status(http.StatusConflict, nil), fault.ErrConflict, 0},
		"a snapshot that is gone":   {status(http.StatusGone, nil), errExpired, 0},
		"the same, for others":      {status(http.StatusGone, nil), fault.ErrTruncated, 0},
		"too much":                  {status(http.StatusTooManyRequests, &metav1.StatusDetails{RetryAfterSeconds: 9}), fault.ErrThrottled, 9 * time.Second},
		"too much for ever":         {status(http.StatusTooManyRequests, &metav1.StatusDetails{RetryAfterSeconds: 1 << 30}), fault.ErrThrottled, 24 * time.Hour},
		"too much, nobody says":     {status(http.StatusTooManyRequests, nil), fault.ErrThrottled, 0},
		"a broken server":           {status(http.StatusInternalServerError, nil), fault.ErrUnavailable, 0},
		"a server that is starting": {status(http.StatusServiceUnavailable, nil), fault.ErrUnavailable, 0},
		"anything else":             {errors.New("ada@example.com"), fault.ErrUnavailable, 0},
	} {
		got := failure(t.Context(), "GET x", c.err, 0)
		after, _ := fault.RetryAfter(got)
		if !errors.Is(got, c.class) || after != c.after || strings.Contains(got.Error(), "ada") {
			t.Errorf("%s: failure = %v (retry after %s), want %v after %s and nobody's name", reason, got, after, c.class, c.after)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if got := failure(gone, "GET x", status(http.StatusForbidden, nil), 0); !errors.Is(got, context.Canceled) {
		t.Errorf("a cancelled call = %v, want context.Canceled", got)
	}
}

// TestDelay reads Retry-After as RFC 9110 (section 10.2.3) has it, by the clock of
// whoever sent it.
func TestDelay(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(at time.Time) string { return at.Format(http.TimeFormat) }
	for reason, c := range map[string]struct {
		after, sent string
		want        time.Duration
	}{
		"nothing":                          {"", "", 0},
		"seconds":                          {"7", "", 7 * time.Second},
		"seconds for ever":                 {"99999999999", "", 24 * time.Hour},
		"a date":                           {date(now.Add(time.Minute)), "", time.Minute},
		"a date by a clock that is behind": {date(now.Add(-4 * time.Minute)), date(now.Add(-5 * time.Minute)), time.Minute},
		"a date by a clock that is ahead":  {date(now.Add(6 * time.Minute)), date(now.Add(5 * time.Minute)), time.Minute},
		"a date in the past":               {date(now.Add(-time.Minute)), "", 0},
		"a date far away":                  {date(now.AddDate(1, 0, 0)), "", 24 * time.Hour},
		"less than nothing":                {"-7", "", 0},
		"no number and no date":            {"soon", "", 0},
	} {
		header := http.Header{"Retry-After": {c.after}, "Date": {c.sent}}
		if got := delay(header, now); got != c.want {
			t.Errorf("%s: delay = %s, want %s", reason, got, c.want)
		}
	}
}

func FuzzDelay(f *testing.F) {
	for _, seed := range []string{"", "7", "-1", "Sun, 01 Mar 2026 12:00:00 GMT", "99999999999999999999"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, after, sent string) {
		if got := delay(http.Header{"Retry-After": {after}, "Date": {sent}}, time.Now()); got < 0 || got > longest {
			t.Errorf("delay of %q sent at %q = %s", after, sent, got)
		}
	})
}
