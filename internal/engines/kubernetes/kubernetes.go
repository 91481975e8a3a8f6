package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/child"
)

// Options say where and how the servers run.
type Options struct {
	// Dir holds data, keys and certificates. It is made when it is missing and
	// kept when the servers stop.
	Dir string
	// Fast skips writing through to the disk, for data that nobody needs after
	// the machine stops.
	Fast bool
	// Log gets the servers' messages and those of a first build; nil drops them.
	Log io.Writer
}

// Server is a running kube-apiserver with its etcd. They end with the process
// that started them.
type Server struct {
	options   Options
	programs  binaries
	port      int // the API server's
	etcd      *child.Process
	apiserver *child.Process
}

// Start runs the servers in options.Dir and returns when they answer; ctx bounds
// that, not the servers' life. It takes some five seconds, and minutes where the
// servers are yet to be built. Data, keys and the port survive a restart. It
// fails with ErrUnavailable where the servers cannot be built.
func Start(ctx context.Context, options Options) (*Server, error) {
	if options.Log == nil {
		options.Log = io.Discard
	}
	s := &Server{options: options}
	var err error
	if s.options.Dir, err = filepath.Abs(options.Dir); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	if s.programs, err = build(ctx, options.Log); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.options.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	if err := s.certificates(); err != nil {
		return nil, err
	}
	const attempts = 3 // somebody may take a port before the server does
	for range attempts {
		if err = s.launch(ctx); err == nil {
			return s, nil
		}
		if err = errors.Join(err, s.Stop()); ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// URL returns the API server's address.
func (s *Server) URL() string {
	return "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Stop ends the servers and returns when they have ended. The directory stays. A
// second Stop does nothing.
func (s *Server) Stop() error {
	// Every request that counts has been answered, and waiting for those that
	// never end takes a minute; etcd closes its files.
	return errors.Join(stop(s.apiserver), stop(s.etcd, syscall.SIGTERM))
}

// StopAPI ends the API server alone, as an outage of the platform does.
func (s *Server) StopAPI() error { return stop(s.apiserver) }

// StartAPI starts the API server again after StopAPI, at the same address.
func (s *Server) StartAPI(ctx context.Context) error { return s.serve(ctx) }

func (s *Server) path(name string) string { return filepath.Join(s.options.Dir, name) }

func (s *Server) write(name, text string) error {
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	return nil
}

// launch starts both servers.
func (s *Server) launch(ctx context.Context) error {
	ports, err := s.freePorts("port", "etcd-port", "etcd-peer-port")
	if err != nil {
		return err
	}
	s.port = ports[0]
	if err := s.store(ctx, ports[1], ports[2]); err != nil {
		return err
	}
	return s.serve(ctx)
}

// freePorts returns a port for each name that is free now: the one of the last time
// if it can be, else any. All are held until the last is known, so that no two are
// the same.
func (s *Server) freePorts(names ...string) ([]int, error) {
	ports := make([]int, len(names))
	for i, name := range names {
		listener, err := s.listen(name)
		if err != nil {
			return nil, fmt.Errorf("kubernetes: no port is free: %w", err)
		}
		defer func() { _ = listener.Close() }()
		_, free, _ := net.SplitHostPort(listener.Addr().String())
		if err := s.write(name, free); err != nil {
			return nil, err
		}
		if ports[i], err = strconv.Atoi(free); err != nil {
			return nil, fmt.Errorf("kubernetes: %w", err)
		}
	}
	return ports, nil
}

// listen takes the port of the last time, or any.
func (s *Server) listen(name string) (net.Listener, error) {
	text, err := os.ReadFile(s.path(name))
	if last, errLast := strconv.Atoi(string(text)); err == nil && errLast == nil {
		if listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(last))); err == nil {
			return listener, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// store starts etcd and waits until it answers.
func (s *Server) store(ctx context.Context, port, peerPort int) error {
	client, peer := "https://127.0.0.1:"+strconv.Itoa(port), "https://127.0.0.1:"+strconv.Itoa(peerPort)
	args := []string{
		"--name=rollcall", "--data-dir=" + s.path("etcd"), "--log-level=warn", "--unsafe-no-fsync=" + strconv.FormatBool(s.options.Fast),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=rollcall=" + peer,
		"--client-cert-auth", "--peer-client-cert-auth",
		// A snapshot of a minute ago is still good, a day's changes are not kept.
		"--auto-compaction-mode=periodic", "--auto-compaction-retention=10m",
	}
	for _, side := range []string{"", "peer-"} {
		args = append(args, "--"+side+"cert-file="+s.path("server.crt"), "--"+side+"key-file="+s.path("server.key"),
			"--"+side+"trusted-ca-file="+s.path("ca.crt"))
	}
	var err error
	if s.etcd, err = s.run(ctx, "etcd", s.programs.etcd, args); err != nil {
		return err
	}
	if err := s.write("etcd-url", client); err != nil {
		return err
	}
	return s.await(ctx, s.etcd, client+"/health", "server")
}

// serve starts the API server and waits until it is ready.
func (s *Server) serve(ctx context.Context) error {
	etcdURL, err := os.ReadFile(s.path("etcd-url"))
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	s.apiserver, err = s.run(ctx, "kube-apiserver", s.programs.apiserver, []string{
		"--etcd-servers=" + string(etcdURL), "--etcd-cafile=" + s.path("ca.crt"),
		"--etcd-certfile=" + s.path("server.crt"), "--etcd-keyfile=" + s.path("server.key"),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(s.port),
		"--tls-cert-file=" + s.path("server.crt"), "--tls-private-key-file=" + s.path("server.key"),
		"--client-ca-file=" + s.path("clients-ca.crt"), "--anonymous-auth=false", "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-signing-key-file=" + s.path("service-accounts.key"),
		"--service-account-key-file=" + s.path("service-accounts.key"),
		"--endpoint-reconciler-type=none", "--v=0",
	})
	if err != nil {
		return err
	}
	return s.await(ctx, s.apiserver, s.URL()+"/readyz", "admin")
}

// run starts one server with nothing of our environment but the paths.
func (s *Server) run(ctx context.Context, name, program string, args []string) (*child.Process, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...) // it outlives ctx
	cmd.Dir = s.options.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.options.Dir, "LC_ALL=C", "TZ=UTC"}
	cmd.Stdout, cmd.Stderr = s.options.Log, s.options.Log
	process, err := child.Supervise(name, cmd, syscall.SIGKILL)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return process, nil
}

// await returns when the server says that it is well, or why it never will.
func (s *Server) await(ctx context.Context, p *child.Process, address, as string) error {
	client, err := s.client(as)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for {
		if healthy(ctx, client, address) {
			return nil
		}
		select {
		case <-p.Done:
			return fmt.Errorf("kubernetes: %s ended at once, see its log: %w", p.Name, p.Err())
		case <-ctx.Done():
			return fmt.Errorf("kubernetes: %s does not get ready, see its log: %w", p.Name, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func healthy(ctx context.Context, client *http.Client, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	return err == nil && response.StatusCode == http.StatusOK && !strings.Contains(string(text), `"health":"false"`)
}

// client trusts the directory's CA and has the certificate of that name.
func (s *Server) client(as string) (*http.Client, error) {
	config, err := s.tls(as)
	if err != nil {
		return nil, err
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}, nil
}

func (s *Server) tls(as string) (*tls.Config, error) {
	ca, err := os.ReadFile(s.path("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(s.path(as+".crt"), s.path(as+".key"))
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
