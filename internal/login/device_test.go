package login_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/login"
)

// TestDevice: what the provider answers decides how often it is asked, and how it ends.
func TestDevice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason  string
		answers []string
		started map[string]any
		// want are the seconds between requests; code and text are those of the failure.
		want []float64
		code string
		text string
	}{
		{reason: "the user decides after a while", answers: []string{"authorization_pending", "authorization_pending"}, want: []float64{2, 2, 2}},
		{reason: "slow_down adds five seconds for good", answers: []string{"slow_down", "authorization_pending", "slow_down"}, want: []float64{2, 7, 7, 12}},
		{reason: "five seconds where the provider says nothing", started: map[string]any{"interval": nil}, want: []float64{5}},
		{reason: "a request without an answer is repeated, half as often", answers: []string{"lost"}, want: []float64{2, 10}},
		{reason: "the user refuses", answers: []string{"access_denied"}, want: []float64{2}, code: "access_denied"},
		{reason: "the provider says that the code expired", answers: []string{"expired_token"}, want: []float64{2}, code: "expired_token"},
		{
			reason: "the code expires", answers: []string{"authorization_pending", "authorization_pending"},
			started: map[string]any{"expires_in": 5}, want: []float64{2, 2}, code: "expired_token",
		},
		{reason: "no interval can be negative", started: map[string]any{"interval": -1}, text: "interval"},
		{reason: "nor an hour", started: map[string]any{"interval": 3600}, text: "interval"},
		{reason: "no code", started: map[string]any{"user_code": ""}, text: "lacks a code"},
		{reason: "a page in plain text", started: map[string]any{"verification_uri": "http://login.example.com"}, text: "https"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProvider(t)
				p.device, p.started = test.answers, test.started
				last, displayed := time.Now(), 0
				l, err := p.client().Device(t.Context(), p.method(), func(d login.Device) {
					if displayed++; d.Code != "ABCD-EFGH" || d.URL != issuer+"/enter" || !d.Expires.After(time.Now()) {
						t.Errorf("the user sees %+v", d)
					}
				})
				var got []float64
				for _, at := range p.polled {
					got = append(got, at.Sub(last).Seconds())
					last = at
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("seconds between requests (-want +got):\n%s", diff)
				}
				refused, _ := errors.AsType[*login.RefusedError](err)
				switch {
				case test.text != "":
					if err == nil || !strings.Contains(err.Error(), test.text) || displayed > 0 {
						t.Errorf("Device = %v, want an error with %q before a user sees a code", err, test.text)
					}
				case test.code != "":
					if refused == nil || refused.Code != test.code {
						t.Errorf("Device = %v, want the code %s", err, test.code)
					}
				case err != nil || l.AccessToken == "" || displayed != 1:
					t.Errorf("Device = %+v, %v", l, err)
				}
			})
		})
	}
}

func TestDevice_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := newProvider(t)
	if _, err := p.client().Device(ctx, p.method(), func(login.Device) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("Device = %v, want the context's error", err)
	}
}
