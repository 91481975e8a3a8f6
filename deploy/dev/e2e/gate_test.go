package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// gate stands between a worker and Temporal. It knows every boundary of the
// worker's work by a name such as "before Plan 1" or "after Apply 3", or of the
// decisions of a workflow "before deciding RecreateGroup 2", and can strike at one.
type gate struct {
	t       testing.TB
	address string
	to      *grpc.ClientConn

	mu     sync.Mutex
	kinds  map[string]string // activity and workflow types, by the token of the task
	counts map[string]int
	passed []string // the boundaries, in order
	at     string   // where it strikes
	strike func()
	struck bool
}

// newGate opens a way to a Temporal.
func newGate(t testing.TB, temporal string) *gate {
	t.Helper()
	to, err := grpc.NewClient(temporal, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(frames{}), grpc.MaxCallRecvMsgSize(64<<20), grpc.MaxCallSendMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, address: listener.Addr().String(), to: to}
	g.open("", nil)
	server := grpc.NewServer(grpc.ForceServerCodec(frames{}), grpc.UnknownServiceHandler(g.forward), grpc.MaxRecvMsgSize(64<<20))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); _ = to.Close() })
	return g
}

// open begins to count anew, and strikes at a boundary; at none where it is empty.
func (g *gate) open(at string, strike func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kinds, g.counts, g.passed, g.struck = map[string]string{}, map[string]int{}, nil, false
	g.at, g.strike = at, strike
}

// boundaries are those that were passed, in order.
func (g *gate) boundaries() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.passed...)
}

func (g *gate) hasStruck() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.struck
}

// frames passes messages on as they are.
type frames struct{}

func (frames) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (frames) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (frames) Name() string                       { return "proto" }

// forward answers any call by Temporal's answer.
func (g *gate) forward(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var in, out []byte
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	call := method[strings.LastIndex(method, "/")+1:]
	if g.asked(call, in, "before deciding", "after") {
		return status.Error(codes.Unavailable, "struck")
	}
	ctx := stream.Context()
	if headers, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, headers)
	}
	if err := g.to.Invoke(ctx, method, &in, &out); err != nil {
		return err
	}
	if g.asked(call, in, "after deciding", "") || g.answered(call, out) {
		return status.Error(codes.Unavailable, "struck")
	}
	return stream.SendMsg(&out)
}

// asked notes the boundary that a call of a worker is, by the names for the two
// sorts, and reports whether the gate strikes there.
func (g *gate) asked(call string, in []byte, decision, result string) bool {
	switch {
	case call == "RespondWorkflowTaskCompleted":
		var r workflowservice.RespondWorkflowTaskCompletedRequest
		return proto.Unmarshal(in, &r) == nil && g.pass(decision, r.GetTaskToken())
	case call == "RespondActivityTaskCompleted" && result != "":
		var r workflowservice.RespondActivityTaskCompletedRequest
		return proto.Unmarshal(in, &r) == nil && g.pass(result, r.GetTaskToken())
	}
	return false
}

// answered notes the tasks that Temporal hands out.
func (g *gate) answered(call string, out []byte) bool {
	switch call {
	case "PollWorkflowTaskQueue":
		var r workflowservice.PollWorkflowTaskQueueResponse
		if proto.Unmarshal(out, &r) == nil && len(r.GetTaskToken()) > 0 {
			g.know(r.GetTaskToken(), r.GetWorkflowType().GetName())
		}
	case "PollActivityTaskQueue":
		var r workflowservice.PollActivityTaskQueueResponse
		if proto.Unmarshal(out, &r) == nil && len(r.GetTaskToken()) > 0 {
			g.know(r.GetTaskToken(), r.GetActivityType().GetName())
			return g.pass("before", r.GetTaskToken())
		}
	}
	return false
}

func (g *gate) know(token []byte, kind string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kinds[string(token)] = kind
}

func (g *gate) pass(where string, token []byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	kind := g.kinds[string(token)]
	if kind == "" {
		return false // of a worker before
	}
	what := where + " " + kind
	g.counts[what]++
	name := fmt.Sprintf("%s %d", what, g.counts[what])
	g.passed = append(g.passed, name)
	if g.struck || name != g.at {
		return g.struck
	}
	g.struck = true
	g.strike()
	return true
}
