package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// serverTimeout is how long the server may take to serve.
const serverTimeout = 30 * time.Second

// bootstrapToken is the token that a server without a policy prints.
var bootstrapToken = regexp.MustCompile(`rollcall-bootstrap-[A-Z2-7]+`)

// startServer starts rollcall serve, stores the first policy with the token that it prints, and
// has all commands use it from here on.
func (s *stack) startServer(ctx context.Context) (string, error) {
	issuers, err := s.startIssuer(ctx)
	if err != nil {
		return "", err
	}
	cmd, err := s.rollcall("serve", "--issuers", issuers, "--listen", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	file := s.home.log("server")
	log, err := openLog(file)
	if err != nil {
		return "", err
	}
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = log, in
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := runTied(running, cmd)
		_ = in.Close()
		if running.Err() == nil {
			s.console.sayf("The server ended (%s); see %s", ending(err), file)
		}
	}()
	s.onStop(func() error {
		stop()
		<-ended
		return log.Close()
	})
	address, token, err := s.awaitServer(ctx, out, log)
	if err != nil {
		return "", withLog(err, file)
	}
	if token != "" {
		if err := s.firstPolicy(ctx, address, token); err != nil {
			return "", err
		}
	}
	s.environ["ROLLCALL_SERVER"] = address
	s.environ["ROLLCALL_TOKEN_FILE"] = tokenFile(s.home.path(issuerDir), tokenUsers()[0])
	return address + ", its log: " + file, nil
}

// awaitServer reads what the server prints until it serves, and copies it to the log without the
// token, as well as all that follows.
func (s *stack) awaitServer(ctx context.Context, out io.Reader, log io.Writer) (address, token string, err error) {
	serving := make(chan [2]string, 1)
	go func() {
		defer close(serving)
		printed := ""
		for lines := bufio.NewScanner(out); lines.Scan(); {
			line := lines.Text()
			if found := bootstrapToken.FindString(line); found != "" {
				printed, line = found, strings.ReplaceAll(line, found, "<token>")
			}
			_, _ = fmt.Fprintln(log, line)
			if address, ok := strings.CutPrefix(line, "Serving "); ok {
				serving <- [2]string{address, printed}
			}
		}
	}()
	select {
	case found, ok := <-serving:
		if !ok {
			return "", "", errors.New("rollcall serve ended before it served")
		}
		return found[0], found[1], nil
	case <-time.After(serverTimeout):
		return "", "", errors.New("rollcall serve does not serve")
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
}

// firstPolicy makes the users of the demo administrators: there are two, so that one decides
// about the changes of the other.
func (s *stack) firstPolicy(ctx context.Context, address, token string) error {
	var rules []string
	for _, user := range tokenUsers() {
		rules = append(rules, fmt.Sprintf("{callers: {issuer: %q, subject: %s}, roles: [admin]}", issuerName, user))
	}
	cmd, err := s.rollcall("apply", "-")
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(fmt.Sprintf("{apiVersion: v1, kind: AccessPolicy, metadata: {name: demo}, spec: {rules: [%s]}}\n",
		strings.Join(rules, ", ")))
	cmd.Env = append(cmd.Env, "ROLLCALL_SERVER="+address, "ROLLCALL_TOKEN="+token)
	var printed strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := runTied(ctx, cmd); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); exited {
			return fmt.Errorf("store the first policy: %w: %s", err, printed.String())
		}
		return fmt.Errorf("store the first policy: %w", err)
	}
	return nil
}
