package fault_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// refusals is a table such as a driver has.
func refusals() fault.Refusals {
	return fault.Refusals{
		{Codes: []string{"Locked"}, Class: fault.ErrDenied, Advice: "remove the lock", Source: "Locks"},
		{Codes: []string{"TooYoung"}, Class: fault.ErrUnavailable, Until: "it is known", MaxAge: time.Hour, Expired: fault.ErrInvalid, Source: "Ages"},
		{Status: 400, Message: "Too Many Members", Class: fault.ErrInvalid, Advice: "remove some", Source: "Quotas"},
		{Status: 400, Class: fault.ErrInvalid, Source: "Errors"},
		{Status: 429, Class: fault.ErrThrottled, Until: "later", Source: "Throttling"},
	}
}

func wrap(a fault.Answer) error { return refusals().Wrap(errVendor, a) }

func TestRefusals_Wrap(t *testing.T) {
	for reason, c := range map[string]struct {
		answer fault.Answer
		class  error
		advice string
		after  time.Duration
	}{
		"a code counts at any status":        {fault.Answer{Status: 409, Code: "Locked"}, fault.ErrDenied, "remove the lock", 0},
		"a message is compared in any case":  {fault.Answer{Status: 400, Message: "too many members: 3"}, fault.ErrInvalid, "remove some", 0},
		"a status alone":                     {fault.Answer{Status: 400, Code: "Other"}, fault.ErrInvalid, "", 0},
		"a throttle keeps the delay":         {fault.Answer{Status: 429, After: time.Minute}, fault.ErrThrottled, "", time.Minute},
		"no row has it":                      {fault.Answer{Status: 418, Code: "Teapot"}, fault.ErrUnknown, "", 0},
		"a message without its status":       {fault.Answer{Status: 500, Message: "too many members"}, fault.ErrUnknown, "", 0},
		"another's delay is not a promise":   {fault.Answer{Status: 400, After: time.Minute}, fault.ErrInvalid, "", 0},
		"a transient one counts as down too": {fault.Answer{Code: "TooYoung"}, fault.ErrUnavailable, "", 0},
	} {
		err := wrap(c.answer)
		after, _ := fault.RetryAfter(err)
		if !errors.Is(err, c.class) || !errors.Is(err, errVendor) || fault.Advice(err) != c.advice || after != c.after {
			t.Errorf("%s: got %v with the advice %q and the delay %s, want %v, %q, %s",
				reason, err, fault.Advice(err), after, c.class, c.advice, c.after)
		}
	}
}

func TestRefusal_At(t *testing.T) {
	row := refusals()[1]
	forever := refusals()[0]
	for reason, c := range map[string]struct {
		row   fault.Refusal
		age   time.Duration
		class error
	}{
		"younger":                         {row, time.Minute, fault.ErrUnavailable},
		"as old as it may be":             {row, time.Hour, fault.ErrUnavailable},
		"older":                           {row, 2 * time.Hour, fault.ErrInvalid},
		"an age that does not matter":     {forever, 2 * time.Hour, fault.ErrDenied},
		"older, and the row text no more": {fault.Refusal{Class: fault.ErrNotFound, MaxAge: time.Hour}, 2 * time.Hour, fault.ErrDenied},
	} {
		if got := c.row.At(c.age).Class; !errors.Is(got, c.class) {
			t.Errorf("%s: got %v, want %v", reason, got, c.class)
		}
	}
}

// TestRefusals_Problems breaks a table in each way that a driver's test has to notice.
func TestRefusals_Problems(t *testing.T) {
	if got := refusals().Findings(wrap); len(got) > 0 {
		t.Errorf("a table without mistakes: %q", got)
	}
	for reason, c := range map[string]struct {
		row  fault.Refusal
		text string
	}{
		"hidden by a row above": {fault.Refusal{Status: 400, Codes: []string{"Locked"}, Class: fault.ErrInvalid, Advice: "x", Source: "y"}, "classified"},
		"other advice than the row's": {
			fault.Refusal{Codes: []string{"Locked"}, Class: fault.ErrDenied, Advice: "x", Source: "y"}, "advice",
		},
		"no source":                        {fault.Refusal{Codes: []string{"New"}, Class: fault.ErrDenied, Advice: "x"}, "source"},
		"an address for a source":          {fault.Refusal{Codes: []string{"New"}, Class: fault.ErrDenied, Advice: "x", Source: "https://example.com"}, "source"},
		"transient for no known time":      {fault.Refusal{Codes: []string{"New"}, Class: fault.ErrUnavailable, Source: "y"}, "what ends it"},
		"lasting, and nothing can be done": {fault.Refusal{Codes: []string{"New"}, Class: fault.ErrDenied, Source: "y"}, "what does"},
		"no class":                         {fault.Refusal{Codes: []string{"New"}, Source: "y"}, "no class"},
	} {
		table := append(refusals(), c.row)
		got := table.Findings(func(a fault.Answer) error { return table.Wrap(errVendor, a) })
		if !slices.ContainsFunc(got, func(finding string) bool { return strings.Contains(finding, c.text) }) {
			t.Errorf("%s: got %q, want a finding that text %q", reason, got, c.text)
		}
	}
	quoting := func(a fault.Answer) error { return refusals().Wrap(errors.New(a.Message), a) }
	if got := refusals().Findings(quoting); !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, "quotes") }) {
		t.Errorf("errors that quote the answer: got %q, want a finding that text so", got)
	}
	constant := func(fault.Answer) error { return fault.ErrInvalid }
	if got := refusals().Findings(constant); !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, "no row has") }) {
		t.Errorf("what no row has is permanent: got %q, want a finding that text so", got)
	}
}
