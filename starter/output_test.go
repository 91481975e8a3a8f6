package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fatih/color"
	"github.com/google/go-cmp/cmp"
)

// colours matches what a terminal takes for a colour.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestPlansAreColouredOnTerminalsOnly(t *testing.T) {
	t.Parallel()
	r, text := planned()
	var plain, painted bytes.Buffer
	(&cli{}).writePlan(&plain, text, r)
	(&cli{colored: true}).writePlan(&painted, text, r)
	if strings.Contains(plain.String(), "\x1b") {
		t.Errorf("there are colours without a terminal:\n%q", plain.String())
	}
	if diff := cmp.Diff(plain.String(), colours.ReplaceAllString(painted.String(), "")); diff != "" {
		t.Errorf("colours change the text (-plain +painted):\n%s", diff)
	}
	for sign, code := range map[string]string{"  + group": "32", "  ~ members": "33", "  - binding": "31", "  ! held": "35", "  ? removal-held": "36"} {
		if !strings.Contains(painted.String(), "\x1b["+code+"m"+sign) {
			t.Errorf("%q has not the colour %s:\n%q", sign, code, painted.String())
		}
	}
}

func TestPlanEndsWithWhatItComesTo(t *testing.T) {
	t.Parallel()
	r, text := planned()
	var out bytes.Buffer
	(&cli{}).writePlan(&out, text, r)
	want := "\n1 tenant: 3 steps, 1 held removal, 1 remark; 4 calls in 120ms.\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("the last line is not %q:\n%s", want, out.String())
	}
	out.Reset()
	(&cli{}).writePlan(&out, "", report{})
	if got := out.String(); got != "0 tenants: 0 steps, 0 remarks; 0 calls in 0s.\n" {
		t.Errorf("nothing held is not mentioned, but got %q", got)
	}
}

func TestPlanCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	(&cli{colored: true}).writePlan(&out, "  + group \"\x1b[2J\x07\"\n", report{})
	if strings.ContainsAny(colours.ReplaceAllString(out.String(), ""), "\x1b\x07") {
		t.Errorf("control characters reach the terminal: %q", out.String())
	}
}

// TestPrepare: the streams of a test are no terminals, so that nothing is
// coloured whatever the environment says.
func TestPrepare(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "1"} {
		c := &cli{out: &bytes.Buffer{}, format: formatTable, getenv: func(string) string { return value }}
		if err := c.prepare(); err != nil || c.colored {
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

func TestYAMLHasTheNamesOfJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r, _ := planned()
	if err := writeYAML(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"duration_ms: 120\n", "tenant: marketing.web\n", "held: true\n", `op: create`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the YAML lacks %q:\n%s", want, out.String())
		}
	}
}
