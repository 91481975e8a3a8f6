package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fatih/color"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-iam/rollcall/activities"
)

// colours matches what a terminal takes for a colour.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestPlansAreColouredOnTerminalsOnly(t *testing.T) {
	t.Parallel()
	var plain, painted bytes.Buffer
	shownPlan(t, &cli{out: &plain, format: formatTable}, 1)
	shownPlan(t, &cli{out: &painted, format: formatTable, colored: true}, 1)
	if strings.Contains(plain.String(), "\x1b") {
		t.Errorf("there are colours without a terminal:\n%q", plain.String())
	}
	if diff := cmp.Diff(plain.String(), colours.ReplaceAllString(painted.String(), "")); diff != "" {
		t.Errorf("colours change the text (-plain +painted):\n%s", diff)
	}
	for sign, code := range map[string]string{"  + group": "32", "  ~ members": "33", "  - binding": "31", "  ! held": "35"} {
		if !strings.Contains(painted.String(), "\x1b["+code+"m"+sign) {
			t.Errorf("%q has not the colour %s:\n%q", sign, code, painted.String())
		}
	}
}

func TestPlanEndsWithWhatItComesTo(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		0: "0 tenants: 0 steps, 0 warnings; 0 calls in 120ms.\n",
		1: "\n1 tenant: 3 steps, 1 pending approval, 1 warning; 4 calls in 120ms.\n",
		2: "\n2 tenants: 6 steps, 2 pending approval, 2 warnings; 8 calls in 120ms.\n",
	} {
		var out bytes.Buffer
		shownPlan(t, &cli{out: &out, format: formatTable}, n)
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("the last line is not %q:\n%s", want, out.String())
		}
	}
}

func TestPlanCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	(&cli{colored: true}).writePlan(&out, "  + group \"\x1b[2J\x07\"\n")
	if strings.ContainsAny(colours.ReplaceAllString(out.String(), ""), "\x1b\x07") {
		t.Errorf("control characters reach the terminal: %q", out.String())
	}
}

// TestPrepare: the streams of a test are no terminals, so that nothing is
// coloured whatever the environment says.
func TestPrepare(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "1"} {
		c := &cli{out: &bytes.Buffer{}, format: formatTable, getenv: environment(map[string]string{"NO_COLOR": value})}
		if err := c.prepare("rollcall status"); err != nil || c.colored {
			t.Errorf("with NO_COLOR=%q: colours %v, error %v; want neither", value, c.colored, err)
		}
	}
	if got := (&cli{}).paint(color.FgRed, "text"); got != "text" {
		t.Errorf("a plain command paints %q", got)
	}
}

func TestProgressShowsNothingWithoutATerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		c := &cli{err: &errs}
		bar := c.watch(10, "replicating")
		time.Sleep(10 * patience)
		bar.one()
		bar.set(5)
		synctest.Wait()
		bar.end()
		if errs.Len() > 0 {
			t.Errorf("a bar is drawn into a file: %q", errs.String())
		}
	})
}

func TestTablesLineUp(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	rows(&out, []string{"KIND", "NAME"}, [][]string{{"meshUser", "jane\tdoe"}, {"x", "y"}})
	want := "KIND      NAME\nmeshUser  jane\uFFFDdoe\nx         y\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("a tab in a name moves columns (-want +got):\n%s", diff)
	}
}

// TestPlansGrowIntoOneObject: what is written tenant by tenant reads as one
// report, the same in JSON and in YAML.
func TestPlansGrowIntoOneObject(t *testing.T) {
	t.Parallel()
	for n := range 3 {
		var asJSON, asYAML bytes.Buffer
		shownPlan(t, &cli{out: &asJSON, format: formatJSON}, n)
		shownPlan(t, &cli{out: &asYAML, format: formatYAML}, n)
		var r struct {
			activities.Totals
			DurationMS int64      `json:"duration_ms"`
			Items      []planItem `json:"items"`
		}
		if err := json.Unmarshal(asJSON.Bytes(), &r); err != nil {
			t.Fatalf("%d tenants: %v:\n%s", n, err, asJSON.String())
		}
		if len(r.Items) != n || r.Items == nil || r.Tenants != n || r.Steps != 3*n || r.DurationMS != 120 {
			t.Errorf("%d tenants are written as\n%s", n, asJSON.String())
		}
		var fromJSON, fromYAML any
		if err := errors.Join(json.Unmarshal(asJSON.Bytes(), &fromJSON), yaml.Unmarshal(asYAML.Bytes(), &fromYAML)); err != nil {
			t.Fatalf("%d tenants: %v:\n%s", n, err, asYAML.String())
		}
		body, err := json.Marshal(fromYAML) // numbers are the same then
		if err == nil {
			err = json.Unmarshal(body, &fromYAML)
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
			t.Errorf("YAML says something else than JSON (-json +yaml):\n%s", diff)
		}
	}
}
