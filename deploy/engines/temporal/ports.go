package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
)

// ports are where the four services listen.
type ports struct {
	frontend, history, matching, worker int
}

func (ports) address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// hosts tells each service where the others are.
func (p ports) hosts() map[primitives.ServiceName]static.Hosts {
	one := func(port int) static.Hosts {
		return static.Hosts{All: []string{p.address(port)}, Self: p.address(port)}
	}
	return map[primitives.ServiceName]static.Hosts{
		primitives.FrontendService: one(p.frontend),
		primitives.HistoryService:  one(p.history),
		primitives.MatchingService: one(p.matching),
		primitives.WorkerService:   one(p.worker),
	}
}

// choosePorts returns four different free ports, the first as preferred.
func choosePorts(ctx context.Context, preferred int) (ports, error) {
	chosen, err := freePorts(ctx, preferred, 0, 0, 0)
	if err != nil {
		return ports{}, err
	}
	return ports{frontend: chosen[0], history: chosen[1], matching: chosen[2], worker: chosen[3]}, nil
}

// freePorts returns a free port for each preference. All are held until the
// last is known, so that no two are the same.
func freePorts(ctx context.Context, preferred ...int) ([]int, error) {
	var (
		chosen []int
		held   []net.Listener
	)
	for _, port := range preferred {
		l, err := listen(ctx, port)
		if err != nil {
			return nil, errors.Join(err, closeAll(held))
		}
		held = append(held, l)
		_, number, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("temporal: listener: %w", errors.Join(err, closeAll(held)))
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("temporal: listener: %w", errors.Join(err, closeAll(held)))
		}
		chosen = append(chosen, n)
	}
	return chosen, closeAll(held)
}

// listen takes the preferred port, or any when it is in use.
func listen(ctx context.Context, preferred int) (net.Listener, error) {
	var lc net.ListenConfig
	if l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(preferred))); err == nil {
		return l, nil
	}
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("temporal: no free port: %w", err)
	}
	return l, nil
}

func closeAll(listeners []net.Listener) error {
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
