package archtest

import (
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/workflows"
)

// TestRegisteredNames compares the names under which workers register activities
// and workflows with the list of wire names. A history that names another one
// cannot go on.
func TestRegisteredNames(t *testing.T) {
	t.Parallel()
	var registered registry
	activities.NewPlatform(nil, nil, "", nil).Register(&registered)
	activities.NewRevocations().Register(&registered)
	activities.NewEnds(nil).Register(&registered)
	workflows.Register(&registered)
	names := slices.Sorted(slices.Values(registered.names))
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("a name is registered twice: names are unique across workers: %q", names)
	}
	var want []string
	for _, line := range readLines(t, filepath.Join("testdata", wireNamesFile)) {
		kind, rest, _ := strings.Cut(line, " ")
		if _, name, _ := strings.Cut(rest, " "); kind == "activity" || kind == "workflow" {
			want = append(want, kind+" "+name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(slices.Compact(want), names); diff != "" {
		t.Errorf("the registered activities and workflows are not those of the list: open runs have the listed names; see the section "+
			"Compatibility of the README/design, then run go test ./internal/archtest -run TestWireNames -update\n(-listed +registered):\n%s", diff)
	}
}

// registry takes the names that a worker would register.
type registry struct{ names []string }

func (r *registry) RegisterActivity(a any) {
	if reflect.TypeOf(a).Kind() == reflect.Func {
		r.names = append(r.names, "activity "+functionName(a))
		return
	}
	for method := range reflect.TypeOf(a).Methods() { // a pointer to a struct: its methods
		r.names = append(r.names, "activity "+method.Name)
	}
}

func (r *registry) RegisterActivityWithOptions(a any, o activity.RegisterOptions) {
	if o.Name == "" {
		r.RegisterActivity(a)
		return
	}
	r.names = append(r.names, "activity "+o.Name)
}

func (r *registry) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) {}

func (r *registry) RegisterWorkflow(w any) {
	r.names = append(r.names, "workflow "+functionName(w))
}

func (r *registry) RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions) {
	if o.Name == "" {
		r.RegisterWorkflow(w)
		return
	}
	r.names = append(r.names, "workflow "+o.Name)
}

func (r *registry) RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions) {}

// functionName returns the name that the SDK gives a function or method value.
func functionName(f any) string {
	full := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return strings.TrimSuffix(full[strings.LastIndex(full, ".")+1:], "-fm")
}
