package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/rollcall-iam/rollcall/internal/demo"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/engines/program"
)

// options are what the command line says.
type options struct {
	dir string
	bin string
	// checkout is where rollcall and rollcall-worker are built from; empty uses those
	// in bin as they are.
	checkout string
	// flags build what is built: those of this program, with which they share packages.
	flags      program.Flags
	once       bool
	noKeystone bool
	// noKubernetes leaves out all platforms on the cluster.
	noKubernetes bool
	// built reports whether the cluster's programs are built; else they are built beside
	// the first result.
	built func() bool
	// scenario is what is played after the first replication; empty for nothing.
	scenario string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0 when all went well, 1 when it did not, 2 when
// the command line makes no sense.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	opts, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		opts.flags = program.FlagsOf(info)
	}
	err = serve(ctx, opts, newConsole(out))
	if ctx.Err() != nil {
		fmt.Fprintln(out, "\nStopped. `make demo` goes on from here.")
		return 0
	}
	if err != nil {
		fmt.Fprintln(errs, "\nrollcall-dev:", err)
		printLog(errs, err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (options, error) {
	opts := options{built: kubernetes.Built}
	flags := flag.NewFlagSet("rollcall-dev", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&opts.dir, "dir", demo.DefaultDir(), "where everything is kept")
	flags.StringVar(&opts.bin, "bin", ownDir(), "where rollcall and rollcall-worker are")
	flags.StringVar(&opts.checkout, "build", "", "the checkout from which to build them first")
	flags.BoolVar(&opts.once, "once", false, "end when the result is printed")
	flags.BoolVar(&opts.noKeystone, "no-keystone", false, "leave the OpenStack platform out")
	flags.BoolVar(&opts.noKubernetes, "no-kubernetes", false, "leave the platforms on a Kubernetes cluster out")
	flags.StringVar(&opts.scenario, "scenario", "",
		"what to play after that: rename gives all groups\nother names while everybody's access is watched")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.scenario != "" && opts.scenario != renameScenario {
		err := fmt.Errorf("unknown scenario %q: there is %s", opts.scenario, renameScenario)
		fmt.Fprintln(errs, "rollcall-dev:", err)
		return opts, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unknown argument %q", flags.Arg(0))
		fmt.Fprintln(errs, "rollcall-dev:", err)
		return opts, err
	}
	dir, err := filepath.Abs(opts.dir)
	if err != nil {
		fmt.Fprintln(errs, "rollcall-dev:", err)
		return opts, err
	}
	opts.dir = dir
	return opts, nil
}

// ownDir is the directory of this program.
func ownDir() string {
	path, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(path)
}

// serve runs the stack from an empty machine to Ctrl-C.
func serve(ctx context.Context, opts options, c console) (err error) {
	home, unlock, err := openHome(opts.dir)
	if err != nil {
		return err
	}
	defer unlock()
	c.times = openTimes(home.path("times.json"))
	s := &stack{options: opts, home: home, console: c, environ: environ{}, accounts: environ{}}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx); err != nil {
		return err
	}
	if err := s.replicate(ctx); err != nil {
		return err
	}
	if err := s.compareCalls(ctx); err != nil {
		return err
	}
	if s.cluster != nil {
		s.tour()
		if err := s.join(ctx); err != nil {
			return err
		}
	}
	if opts.scenario == renameScenario {
		if err := s.renameAll(ctx); err != nil {
			return err
		}
	}
	if s.cluster == nil {
		s.tour()
	}
	if opts.once {
		return nil
	}
	fmt.Fprintln(c.out, "\nRunning. Ctrl-C ends it.")
	<-ctx.Done()
	return nil
}
