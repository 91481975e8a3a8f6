package driver_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

func TestAccessEnd(t *testing.T) {
	t.Parallel()
	const source, because = "https://vendor.example/sessions", "sessions live on"
	for name, tc := range map[string]struct {
		reason  string
		end     driver.AccessEnd
		text    string
		bounded bool
		refused string // a part of the error; empty for none
	}{
		"nothing":      {"a profile that states nothing promises nothing", driver.AccessEnd{}, "unknown", false, "Source is empty"},
		"at once":      {"each request is checked", driver.AccessEnd{Source: source}, "at once", true, ""},
		"hours":        {"whole hours have no minutes", driver.AccessEnd{UpTo: 12 * time.Hour, Because: because, Source: source}, "up to 12h", true, ""},
		"minutes":      {"whole minutes have no seconds", driver.AccessEnd{UpTo: 90 * time.Minute, Because: because, Source: source}, "up to 1h30m", true, ""},
		"few minutes":  {"ten minutes keep their zero", driver.AccessEnd{UpTo: 10 * time.Minute, Because: because, Source: source}, "up to 10m", true, ""},
		"seconds":      {"seconds are written", driver.AccessEnd{UpTo: 90 * time.Second, Because: because, Source: source}, "up to 1m30s", true, ""},
		"no bound":     {"the vendor estimates", driver.AccessEnd{NoBound: "minutes, potentially hours", Because: because, Source: source}, "minutes, potentially hours", false, ""},
		"unknown":      {"the vendor says nothing", driver.AccessEnd{Unknown: true, Because: because, Source: "none found"}, "unknown", false, ""},
		"two figures":  {"a bound and no bound", driver.AccessEnd{UpTo: time.Hour, NoBound: "hours", Because: because, Source: source}, "hours", false, "exclude each other"},
		"negative":     {"no time is negative", driver.AccessEnd{UpTo: -time.Hour, Because: because, Source: source}, "up to -1h", true, "negative"},
		"no source":    {"a figure needs its source", driver.AccessEnd{UpTo: time.Hour, Because: because}, "up to 1h", true, "Source is empty"},
		"unexplained":  {"a delay needs its cause", driver.AccessEnd{UpTo: time.Hour, Source: source}, "up to 1h", true, "Because is empty"},
		"unsourced so": {"unknown needs a reason too", driver.AccessEnd{Unknown: true, Because: because}, "unknown", false, "Source is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.end.String(); got != tc.text {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.text)
			}
			if _, bounded := tc.end.Bound(); bounded != tc.bounded {
				t.Errorf("%s: bounded = %t, want %t", tc.reason, bounded, tc.bounded)
			}
			err := tc.end.Validate()
			if tc.refused == "" && err != nil || tc.refused != "" && (!errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), tc.refused)) {
				t.Errorf("%s: %v, want %q", tc.reason, err, tc.refused)
			}
		})
	}
}
