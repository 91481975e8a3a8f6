package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// hint says what work waits for, and the one command to run next.
type hint struct {
	text, command string
}

// write writes the text and, on a line of its own, the command.
func (h hint) write(w io.Writer) {
	if h.text != "" {
		fmt.Fprintln(w, h.text)
	}
	if h.command != "" {
		fmt.Fprintf(w, "Next:  %s\n", visible(h.command))
	}
}

// The commands that set what the environment lacks.
const (
	setDatabase = "export " + store.URLVariable + "=postgres://USER@HOST:5432/DATABASE"
	setTemporal = "export " + addressVariable + "=HOST:7233"
	setKeyring  = "export " + engine.KeyringVariable + "=DIRECTORY"
)

// The variables of Temporal's clients that say which server they use.
const (
	addressVariable = "TEMPORAL_ADDRESS"
	profileVariable = "TEMPORAL_PROFILE"
)

// nextCommand returns the one command to run after an error, or "" if the error's text
// has it.
func (c *cli) nextCommand(err error) string {
	isUnset := func(variables ...string) bool {
		return !slices.ContainsFunc(variables, func(name string) bool { return c.getenvOrNone()(name) != "" })
	}
	switch {
	case errors.Is(err, store.ErrUnreachable) && isUnset(store.URLVariable, addressVariable, profileVariable, engine.KeyringVariable):
		return "make demo" // nothing is set up: commands find the demo by themselves
	case errors.Is(err, store.ErrUnreachable) && isUnset(store.URLVariable):
		return setDatabase
	case errors.Is(err, store.ErrUnreachable):
		return `psql "$` + store.URLVariable + `" -c "SELECT 1"`
	case errors.Is(err, engine.ErrUnreachable) && isUnset(addressVariable, profileVariable):
		return setTemporal
	case errors.Is(err, engine.ErrUnreachable):
		return "temporal operator cluster health" // it reads the same variables and profile
	case errors.Is(err, engine.ErrPlaintext):
		return "" // the workers' environment is wrong
	case control.CodeOf(err) == control.NoKeyring && isUnset(engine.KeyringVariable):
		return setKeyring
	case errors.Is(err, engine.ErrKeyring), control.CodeOf(err) == control.NoKeyring:
		return `ls -l "$` + engine.KeyringVariable + `"`
	case errors.Is(err, engine.ErrNoDeployment):
		return "rollcall-worker"
	}
	if with, ok := errors.AsType[commandError](err); ok {
		return with.next
	}
	if e, ok := errors.AsType[*control.Error](err); ok {
		return c.nextOf(e)
	}
	return ""
}

// nextOf returns the command to run after an error of the service, or "" if there is none.
func (c *cli) nextOf(e *control.Error) string {
	switch {
	case e.Code == control.NoWorker:
		return nextForWorkers(e.Idle, engine.Deployment(c.getenvOrNone()))
	case e.Code == control.Partial && e.Kind == "connection":
		return "rollcall connection list"
	default:
		return ""
	}
}

// nextForWorkers returns the command after which new runs have a worker. Where several builds
// could take them, that is the command that lists the builds.
func nextForWorkers(idle *control.Idle, deployment string) string {
	in := func(b control.WorkerBuild) string { // the flag for another deployment
		if b.Deployment == deployment {
			return ""
		}
		return " --deployment " + b.Deployment
	}
	switch {
	case idle == nil:
		return "rollcall worker versions"
	case idle.Ramping != nil:
		return "rollcall worker ramp " + idle.Ramping.ID + " 0" + in(*idle.Ramping)
	case len(idle.Polling) == 0 && !idle.Unversioned:
		return "rollcall-worker"
	case len(idle.Polling) == 0:
		return "rollcall worker versions"
	case len(idle.Polling) == 1:
		return "rollcall worker current " + idle.Polling[0].ID + in(idle.Polling[0])
	default:
		return "rollcall worker versions" + in(idle.Polling[0])
	}
}

// commandError is an error with the command to run next.
type commandError struct {
	error

	next string
}

func (e commandError) Unwrap() error { return e.error }

// delayHint says why open runs wait for a worker or for a platform, or has the command to run if
// they are unknown.
func (c *cli) delayHint(result control.StatusResult) hint {
	if result.Failure != nil {
		return hint{command: c.nextCommand(result.Failure)}
	}
	waiting := map[string][]control.OpenRun{}
	for _, run := range result.Report.Live {
		if run.IsDelayed() { // a worker may take up a younger one yet
			waiting[run.State] = append(waiting[run.State], run)
		}
	}
	if queued := waiting[control.StateQueued]; len(queued) > 0 {
		if len(result.Unserved) > 0 {
			return unservedHint(result.Unserved)
		}
		return hint{count(len(queued), "run") + " waiting for a worker.", "rollcall worker versions"}
	}
	return platformHint(waiting[control.StatePlatform])
}

// platformHint says why runs wait for the next attempt, with one line for each class of
// failure. The command is that of the most frequent class.
func platformHint(runs []control.OpenRun) hint {
	byClass := map[string][]control.OpenRun{}
	for _, l := range runs {
		byClass[l.Error] = append(byClass[l.Error], l)
	}
	classes := slices.SortedFunc(maps.Keys(byClass), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(byClass[b]), len(byClass[a])), cmp.Compare(a, b))
	})
	var h hint
	for i, class := range classes {
		cause, command := causeOf(class)
		reason := byClass[class][0].Reason
		differs := func(l control.OpenRun) bool { return l.Reason != reason }
		if reason != "" && !slices.ContainsFunc(byClass[class], differs) {
			cause += ": " + visible(reason)
		}
		if i == 0 {
			h.command = command
		} else {
			h.text += "\n"
		}
		h.text += count(len(byClass[class]), "run") + " waiting " + cause + "."
	}
	return h
}

// causeOf says for what a run waits whose last attempt failed with a class, and the command
// to run next.
func causeOf(class string) (cause, command string) {
	const check = "rollcall connection check"
	switch class {
	case "":
		return "for a platform that does not answer", check
	case activities.TypeUnavailable:
		return "after a failed attempt", check
	case activities.TypeThrottled:
		return "for a platform that takes no more calls for now", ""
	case activities.TypePending:
		return "for a platform that carries out an earlier change", ""
	case control.TimedOut:
		return "for an activity whose worker stopped or does not report", "rollcall worker versions"
	default:
		return "after an attempt that failed as " + class, check
	}
}

// unservedHint says which platforms no worker serves, and why. Platforms with the same
// reason share a line.
func unservedHint(unserved []control.UnservedPlatform) hint {
	var reasons []string
	platforms := map[string][]string{}
	for _, u := range unserved {
		if platforms[u.Reason] == nil {
			reasons = append(reasons, u.Reason)
		}
		platforms[u.Reason] = append(platforms[u.Reason], u.Platform)
	}
	lines := make([]string, len(reasons))
	for i, reason := range reasons {
		name := platforms[reason][0]
		if n := len(platforms[reason]); n > 1 {
			name = count(n, "platform")
		}
		lines[i] = fmt.Sprintf("No worker serves %s: %s", name, visible(reason))
	}
	h := hint{text: strings.Join(lines, "\n"), command: "rollcall connection check"}
	switch {
	case len(unserved) == 0:
		return hint{}
	case len(reasons) == 1 && reasons[0] == control.NoReport:
		h.command = "rollcall-worker"
	case len(unserved) == 1:
		h.command += " " + unserved[0].Connection
	}
	return h
}
