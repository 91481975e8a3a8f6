package main

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/document"
)

func TestCreatedLines_CountsKindsWithMany(t *testing.T) {
	created := []document.ID{{Kind: document.KindProject, Name: "acme.web"}}
	for i := range 6 {
		created = append(created, document.ID{Kind: document.KindUser, Name: "user-" + strconv.Itoa(i)})
	}
	created = append(created, document.ID{Kind: document.KindTenant, Name: "acme.web/sandbox.local"})
	want := []string{"meshProject acme.web", "6 meshUser (-o json lists them)", "meshTenant acme.web/sandbox.local"}
	if diff := cmp.Diff(want, createdLines(created)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
