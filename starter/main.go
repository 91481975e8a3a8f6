// Command rollcall describes who may do what, and has it replicated into every
// platform.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/rollcall-iam/rollcall/internal/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the command in order, a second one at once.
	context.AfterFunc(ctx, stop)
	findDemo := func() (map[string]string, error) { return demo.Find(demo.DefaultDir()) }
	code := execute(ctx, &cli{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, findDemo: findDemo, logins: storedLogins(os.Getenv),
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// execute runs one command and returns its exit code.
func execute(ctx context.Context, c *cli, args []string) int {
	root := rootCommand(c) //nolint:contextcheck // commands take the context that ExecuteContext gives them
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	c.close()
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(c.err, "rollcall: interrupted")
	case err != nil && err.Error() != "":
		fmt.Fprintln(c.err, "rollcall:", errorText(err))
		hint{command: c.nextCommand(err)}.write(c.err)
	}
	return exitCode(err)
}
