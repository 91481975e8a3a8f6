package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/control"
)

type auditFlags struct {
	caller, method, code string
	since                time.Duration
	limit                int
	refused              bool
}

func auditCommand(c *cli) *cobra.Command {
	var flags auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show the calls of servers, with callers and effects",
		Long: `audit shows the calls of servers, the newest first: the caller of the token, the
address, the method, done or the code of the failure, and with -o json the parameters and the
effect. A call is recorded before it is made, so one without a code runs still, or its server
ended. Records are kept for ever.

--refused adds how many requests had no valid credential, by the minute and the address.
Commands that use the database themselves are not among the calls: the actors of what they
changed begin with os:.`,
		Example: `  rollcall audit --since 24h
  rollcall audit --code forbidden --refused
  rollcall audit --caller user:https://login.example.com#248289 --limit 0 -o json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.audit(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.caller, "caller", "", "only calls of the caller with this ID")
	cmd.Flags().StringVar(&flags.method, "method", "", "only calls of a method, such as Apply")
	cmd.Flags().StringVar(&flags.code, "code", "", "only calls that ended so: done, or a failure such as forbidden")
	cmd.Flags().DurationVar(&flags.since, "since", 0, "only calls of this time until now, such as 24h")
	cmd.Flags().IntVar(&flags.limit, "limit", 100, "how many calls to show at most; 0 for all")
	cmd.Flags().BoolVar(&flags.refused, "refused", false, "add the requests without a valid credential")
	return cmd
}

func (c *cli) audit(ctx context.Context, flags auditFlags) error {
	if flags.since < 0 || flags.limit < 0 {
		return invalid(errors.New("--since and --limit must not be negative"))
	}
	request := control.CallsRequest{
		Caller: flags.caller, Method: flags.method, Code: flags.code, Refused: flags.refused,
	}
	if flags.since > 0 {
		request.Since = time.Now().Add(-flags.since)
	}
	all, err := c.calls(ctx, request, flags.limit)
	if err != nil {
		return err
	}
	return c.print(all, func(w io.Writer) {
		lines := make([][]string, len(all.Calls))
		for i, call := range all.Calls {
			lines[i] = []string{strconv.FormatInt(call.ID, 10), stamp(call.At), call.By, call.Method, callEnd(call), call.Remote}
		}
		if len(lines) == 0 {
			fmt.Fprintln(c.err, "No call is recorded.")
		} else {
			rows(w, []string{"ID", "TIME", "CALLER", "METHOD", "END", "FROM"}, lines)
		}
		lines = make([][]string, len(all.Refused))
		for i, r := range all.Refused {
			lines[i] = []string{stamp(r.Minute), r.Remote, r.Code, strconv.FormatInt(r.Count, 10)}
		}
		if len(lines) > 0 {
			fmt.Fprintln(w)
			rows(w, []string{"REFUSED IN THE MINUTE", "FROM", "BECAUSE", "REQUESTS"}, lines)
		}
	})
}

// calls returns the calls of all pages, at most limit; 0 for all.
func (c *cli) calls(ctx context.Context, r control.CallsRequest, limit int) (control.CallsPage, error) {
	const page = 1000
	all := control.CallsPage{Calls: []control.CallRecord{}}
	for {
		r.Limit = page
		if limit > 0 {
			r.Limit = min(page, limit-len(all.Calls))
		}
		next, err := c.service().ListCalls(ctx, r)
		if err != nil {
			return all, err
		}
		all.Calls, all.Refused = append(all.Calls, next.Calls...), append(all.Refused, next.Refused...)
		if next.Next == 0 || limit > 0 && len(all.Calls) >= limit {
			return all, nil
		}
		r.Before, r.Refused = next.Next, false
	}
}

// callEnd is how a call ended.
func callEnd(c control.CallRecord) string {
	if c.Code == "" {
		return "open"
	}
	return c.Code
}
