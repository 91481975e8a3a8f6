package controltest

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func testCalls(t *testing.T, i Installation) {
	if page, err := i.Service.ListCalls(t.Context(), control.CallsRequest{}); err != nil || page.Calls == nil || len(page.Calls) > 0 {
		t.Errorf("%+v, %v, want an empty list", page, err)
	}
	put := func(by access.Actor, method, code string) int64 {
		t.Helper()
		id, err := i.Store.PutCall(t.Context(), store.Call{
			Request: "r-1", By: by, Remote: "10.0.0.7", Method: method, Code: code, Parameters: json.RawMessage(`{"prune": true}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	hr := access.Actor{Kind: access.VerifiedUser, Name: "https://login.example.com#hr"}
	first, second := put(hr, "Apply", ""), put(hr, "Status", "done")
	third, last := put(access.Actor{Kind: access.Bootstrap, Name: "token"}, "Apply", "forbidden"), put(hr, "Apply", "")
	if err := i.Store.EndCall(t.Context(), first, "done", json.RawMessage(`{"revision": 7}`)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason  string
		request control.CallsRequest
		want    []int64
		next    int64
	}{
		{"the newest first", control.CallsRequest{}, []int64{last, third, second, first}, 0},
		{"a page", control.CallsRequest{Limit: 3}, []int64{last, third, second}, second},
		{"the page after", control.CallsRequest{Limit: 3, Before: second}, []int64{first}, 0},
		{"a page that ends with the last one", control.CallsRequest{Limit: 4}, []int64{last, third, second, first}, 0},
		{"of a caller", control.CallsRequest{Caller: hr.ID()}, []int64{last, second, first}, 0},
		{"of a method", control.CallsRequest{Method: "Status"}, []int64{second}, 0},
		{"that were refused", control.CallsRequest{Code: "forbidden"}, []int64{third}, 0},
		{"since a time to come", control.CallsRequest{Since: time.Now().Add(time.Hour)}, nil, 0},
		{"since a time that has passed", control.CallsRequest{Since: time.Now().Add(-time.Hour), Method: "Status"}, []int64{second}, 0},
	} {
		page, err := i.Service.ListCalls(t.Context(), tc.request)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for _, c := range page.Calls {
			ids = append(ids, c.ID)
		}
		if !slices.Equal(ids, tc.want) || page.Next != tc.next {
			t.Errorf("%s: %v and next %d, want %v and %d", tc.reason, ids, page.Next, tc.want, tc.next)
		}
	}
	page, err := i.Service.ListCalls(t.Context(), control.CallsRequest{Before: second})
	if err != nil || len(page.Calls) != 1 {
		t.Fatalf("%+v, %v, want the first call", page, err)
	}
	got := page.Calls[0]
	if got.At.IsZero() || got.Ended.Before(got.At) {
		t.Errorf("at %s, ended %s, want times by the database's clock", got.At, got.Ended)
	}
	want := control.CallRecord{
		ID: first, At: got.At, Ended: got.Ended, Request: "r-1", By: hr.ID(), Remote: "10.0.0.7", Method: "Apply", Code: "done",
		Parameters: json.RawMessage(`{"prune": true}`), Effect: json.RawMessage(`{"revision": 7}`),
	}
	normal := cmp.Transformer("json", func(raw json.RawMessage) (value any) {
		_ = json.Unmarshal(raw, &value)
		return value
	})
	if diff := cmp.Diff(want, got, normal); diff != "" {
		t.Errorf("the call (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := i.Store.AddRefusedCalls(t.Context(), []store.RefusedCalls{{Remote: "10.0.0.9", Code: "expired", Count: 2}}); err != nil {
			t.Fatal(err)
		}
	}
	page, err = i.Service.ListCalls(t.Context(), control.CallsRequest{Refused: true, Limit: 1})
	var refused int64
	for _, r := range page.Refused {
		refused += r.Count // the minute may have changed in between
	}
	if err != nil || refused != 4 || page.Refused[0].Remote != "10.0.0.9" {
		t.Errorf("%+v, %v, want 4 refused credentials", page.Refused, err)
	}
	for reason, r := range map[string]control.CallsRequest{
		"too many calls": {Limit: 1001}, "less than one": {Limit: -1},
	} {
		_, err := i.Service.ListCalls(t.Context(), r)
		fails(t, reason, err, control.Invalid, "limit")
	}
}
