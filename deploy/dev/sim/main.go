// Command rollcall-sim serves the simulated clouds: AWS, Azure with Microsoft
// Graph, Google Cloud and Cloud Foundry. Vendors' own command-line clients can talk
// to them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/rollcall-iam/rollcall/deploy/dev/clouds"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "rollcall-sim:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("rollcall-sim", flag.ContinueOnError)
	flags.SetOutput(errs)
	dir := flags.String("dir", "rollcall-sim", "where the clouds keep what they know")
	people := flags.String("people", "ada,ben,carla", "accounts to make on all clouds, as <name>@"+clouds.Domain)
	place := flags.String("place", "demo", "an account, resource group, project and space to make")
	flags.Usage = func() {
		fmt.Fprintln(errs, "rollcall-sim serves simulated clouds and says how to reach them. Faults are made with\n"+
			"POST <address>/_sim/faults, ended with DELETE, and calls counted at GET <address>/_sim/calls.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := clouds.Start(ctx, *dir)
	if err != nil {
		return err
	}
	if err := describe(c, strings.Split(*people, ","), *place, out); err != nil {
		return errors.Join(err, c.Stop())
	}
	<-ctx.Done()
	return c.Stop()
}

// describe makes people and places and says where all is.
func describe(c *clouds.Clouds, people []string, place string, out io.Writer) error {
	if err := c.People(people); err != nil {
		return err
	}
	for _, name := range clouds.Names() {
		id, err := c.Place(name, place)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "# %s: %s, with %s\n", name, c.URL(name), id)
	}
	environ := c.Environ()
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		fmt.Fprintf(out, "export %s='%s'\n", name, environ[name])
	}
	fmt.Fprintf(out, "\n# AWS_ACCESS_KEY_ID=$ROLLCALL_AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$ROLLCALL_AWS_SECRET_ACCESS_KEY \\\n"+
		"#   aws --region %s --endpoint-url %s sso-admin list-instances\n", clouds.Region, c.URL(clouds.AWS))
	return nil
}
