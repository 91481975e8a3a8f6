// Command temporal is a Temporal server, with its UI, on 127.0.0.1: for the
// one-command stack and the tests, never for production. It has one history shard
// and keeps its state in memory or in one SQLite file.
//
// When it answers it prints one line of JSON, an announcement, and then runs until
// SIGTERM or SIGINT. It exits with 1 when it fails and says why on standard error,
// and with 3 when the state was written by another version.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	enumspb "go.temporal.io/api/enums/v1"
)

// Exit codes.
const (
	exitFailed       = 1
	exitOtherVersion = 3
)

// announcement is what the program prints once clients can connect.
type announcement struct {
	// Address is "host:port" for clients.
	Address string `json:"address"`
	// UI is the URL of the web interface, empty without one.
	UI string `json:"ui,omitempty"`
	// Aside is where state of another version was moved to, empty if there was none.
	Aside string `json:"aside,omitempty"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, ErrOtherVersion):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitOtherVersion)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
}

// run serves until the context ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	options, setAside, err := parse(args)
	if err != nil {
		return err
	}
	var said announcement
	server, err := Start(ctx, options)
	if errors.Is(err, ErrOtherVersion) && setAside {
		if said.Aside, err = SetAside(options.Dir); err != nil {
			return err
		}
		server, err = Start(ctx, options)
	}
	if err != nil {
		return err
	}
	said.Address, said.UI = server.Address(), server.UIURL()
	if err := json.NewEncoder(out).Encode(said); err != nil {
		return errors.Join(fmt.Errorf("temporal: announce: %w", err), server.Stop())
	}
	<-ctx.Done()
	return server.Stop()
}

// parse reads the command line.
func parse(args []string) (options Options, setAside bool, err error) {
	options.SearchAttributes = map[string]enumspb.IndexedValueType{}
	flags := flag.NewFlagSet("temporal", flag.ContinueOnError)
	flags.StringVar(&options.Dir, "dir", "", "where the state file is; empty keeps the state in memory")
	flags.IntVar(&options.Port, "port", 0, "where clients are served; another port if it is in use, a free one for 0")
	flags.BoolVar(&options.UI, "ui", false, "serve the web interface too")
	flags.IntVar(&options.UIPort, "ui-port", 0, "the port of the web interface, chosen like --port")
	flags.StringVar(&options.UICodec, "ui-codec", "", "URL of the codec server that decrypts payloads for the web interface")
	flags.StringVar(&options.LogFile, "log", "", "file for warnings and errors; empty drops them")
	flags.BoolVar(&setAside, "set-aside", false, "rename a state file of another version and begin with a new one")
	flags.Func("namespace", "a namespace to create; may be repeated", func(name string) error {
		options.Namespaces = append(options.Namespaces, name)
		return nil
	})
	flags.Func("search-attribute", "NAME=TYPE of a custom search attribute of every namespace; may be repeated", func(text string) error {
		name, kind, _ := strings.Cut(text, "=")
		value, err := enumspb.IndexedValueTypeFromString(kind)
		if err != nil || name == "" {
			return fmt.Errorf("%q is not NAME=TYPE, such as Tenant=Keyword", text)
		}
		options.SearchAttributes[name] = value
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return options, setAside, err
	}
	if flags.NArg() > 0 {
		return options, setAside, fmt.Errorf("temporal: unknown argument %q", flags.Arg(0))
	}
	return options, setAside, nil
}
