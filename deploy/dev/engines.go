package main

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/rollcall-iam/rollcall/deploy/dev/clouds"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

// Where people and tools look for Temporal first.
const (
	temporalPort   = 7233
	temporalUIPort = 8233
)

// startPostgres starts the database server, with the databases of the others.
func (s *stack) startPostgres(ctx context.Context) (string, error) {
	file := s.home.log("postgres")
	log, err := openLog(file)
	if err != nil {
		return "", err
	}
	s.onStop(log.Close)
	server, err := postgres.Start(ctx, postgres.Options{Dir: s.home.path("postgres"), Log: log})
	if err != nil {
		return "", withLog(err, file)
	}
	s.onStop(server.Stop)
	s.postgres = server
	for _, database := range []string{"rollcall", "keystone"} {
		if err := server.CreateDatabase(ctx, database); err != nil {
			return "", withLog(err, file)
		}
	}
	s.environ["ROLLCALL_DATABASE_URL"] = server.URL("rollcall")
	return server.URL("rollcall"), nil
}

// startTemporal starts Temporal with its UI. State that it cannot read is set
// aside: what Rollcall knows is in PostgreSQL, only finished runs are lost.
func (s *stack) startTemporal(ctx context.Context) (string, error) {
	if err := s.makeKeyring(); err != nil {
		return "", err
	}
	codec, err := codecListener(ctx)
	if err != nil {
		return "", err
	}
	file := s.home.log("temporal")
	built, err := openLog(s.home.log("temporal-build"))
	if err != nil {
		return "", err
	}
	defer func() { _ = built.Close() }()
	server, err := temporal.Start(ctx, temporal.Options{
		Dir: s.home.path("temporal"), SetAside: true, SearchAttributes: engine.Attributes(),
		Port: temporalPort, UI: true, UIPort: temporalUIPort, UICodec: "http://" + codec.Addr().String(), LogFile: file,
		BuildLog: built, BuildFlags: s.options.flags,
	})
	if errors.Is(err, temporal.ErrUnavailable) {
		return "", withLog(err, s.home.log("temporal-build"))
	}
	if err != nil {
		return "", withLog(err, file)
	}
	note := ""
	if server.Aside() != "" {
		note = "; the state of another version is kept in " + server.Aside()
	}
	s.onStop(server.Stop)
	s.temporal = server
	s.environ["TEMPORAL_ADDRESS"] = server.Address()
	s.environ["TEMPORAL_NAMESPACE"] = server.Namespace()
	return server.Address() + ", UI at " + server.UIURL() + note, s.serveCodec(codec)
}

// startClouds starts the simulated clouds and tells the worker how to sign in.
func (s *stack) startClouds(ctx context.Context) (string, error) {
	running, err := clouds.Start(ctx, s.home.path("clouds"))
	if err != nil {
		return "", err
	}
	s.onStop(running.Stop)
	s.clouds = running
	maps.Copy(s.accounts, running.Environ())
	var at []string
	for _, name := range clouds.Names() {
		at = append(at, name+" "+running.URL(name))
	}
	return strings.Join(at, ", "), nil
}

// keystoneWanted says whether Keystone is to run, and why not.
func (s *stack) keystoneWanted(ctx context.Context) (wanted bool, why string, err error) {
	used, err := s.home.has("keystone")
	if err != nil {
		return false, "", err
	}
	if s.options.noKeystone && used {
		return false, "", errors.New("the OpenStack platform is part of this organisation already: " +
			"leave --no-keystone out, or start anew with another --dir")
	}
	if s.options.noKeystone {
		return false, "left out, as asked", nil
	}
	err = s.installKeystone(ctx)
	switch {
	case err == nil:
		return true, "", nil
	case used:
		return false, "", err
	default:
		return false, "left out: " + err.Error(), nil
	}
}

// installKeystone returns why Keystone cannot run here, if it cannot.
func (s *stack) installKeystone(ctx context.Context) error {
	if keystone.Available() == nil {
		return nil
	}
	if err := install(ctx, s.home.log("packages"), keystonePackages()...); err != nil {
		return err
	}
	return keystone.Available()
}

// startKeystone starts Keystone and tells the worker how to sign in.
func (s *stack) startKeystone(ctx context.Context) (string, error) {
	file := s.home.log("keystone")
	log, err := openLog(file)
	if err != nil {
		return "", err
	}
	s.onStop(log.Close)
	server, err := keystone.Start(ctx, keystone.Options{
		Dir: s.home.path("keystone"), DatabaseURL: s.postgres.URL("keystone"), Log: log,
	})
	if err != nil {
		return "", withLog(err, file)
	}
	s.onStop(server.Stop)
	s.keystone = server
	maps.Copy(s.accounts, server.Admin().Environ("ROLLCALL_OPENSTACK"))
	return server.URL(), nil
}
