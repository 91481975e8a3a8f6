package control

import (
	"sync"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// EventType says what an Event is about.
type EventType string

// The types of events.
const (
	// EventStarted tells that the work has begun: it goes on without the caller.
	EventStarted EventType = "started"
	// EventDelayed tells why the work waits.
	EventDelayed EventType = "delayed"
	// EventProgress tells how much of the work is done.
	EventProgress EventType = "progress"
	// EventPlanned has the plan of a tenant.
	EventPlanned EventType = "planned"
	// EventDecided tells that a decision is stored.
	EventDecided EventType = "decided"
	// EventAdopting has an adoption that is about to be stored, EventAdopted one that is.
	EventAdopting EventType = "adopting"
	EventAdopted  EventType = "adopted"
	// EventProposed has a change of documents that is not stored. The plans of the tenants that
	// it affects follow.
	EventProposed EventType = "proposed"
	// EventChanged tells that documents are stored, or would be by a dry run.
	EventChanged EventType = "changed"
	// EventRepeated has the revocation that a request repeats: its reason and caller stay, and
	// those of the request are kept beside them.
	EventRepeated EventType = "repeated"
	// EventAccepted has a platform that has accepted a revocation.
	EventAccepted EventType = "accepted"
	// EventLifted tells that a revocation is lifted; Total counts the tenants on which the
	// documents grant the user access.
	EventLifted EventType = "lifted"
)

// Event is a part of what a method reports while it works. The fields that its type does not
// name are zero.
type Event struct {
	Type EventType `json:"type"`
	// Done and Total count tenants, or platforms for a revocation.
	Done  int `json:"done,omitempty"`
	Total int `json:"total,omitempty"`
	// Delay is that of EventDelayed.
	Delay *Delay `json:"delay,omitempty"`
	// Plan is that of EventPlanned.
	Plan *TenantPlan `json:"plan,omitempty"`
	// Change is that of EventProposed and EventChanged.
	Change *ChangeResult `json:"change,omitempty"`
	// Decided is that of EventDecided.
	Decided *Decided `json:"decided,omitempty"`
	// Adoption is that of EventAdopting and EventAdopted.
	Adoption *AdoptResult `json:"adoption,omitempty"`
	// Revocation is that of EventRepeated, and Accepted that of EventAccepted.
	Revocation *Revocation      `json:"revocation,omitempty"`
	Accepted   *RevokedPlatform `json:"accepted,omitempty"`
}

// Delay says why work waits for a worker.
type Delay struct {
	// NoWorker is set if no worker takes new runs.
	NoWorker *Error `json:"no_worker,omitempty"`
	// Unserved are the platforms of the work that no worker serves, with Waiting of the
	// Total tenants.
	Unserved []UnservedPlatform `json:"unserved,omitempty"`
	Waiting  int                `json:"waiting,omitempty"`
	Total    int                `json:"total,omitempty"`
}

// Failure is why the work on a tenant or a platform failed.
type Failure struct {
	// Tenant is zero where the whole platform failed.
	Tenant   access.TenantID `json:"tenant,omitzero"`
	Platform string          `json:"platform"`
	Reason   string          `json:"reason"`
}

// reporter calls a function with one event at a time.
type reporter struct {
	report func(Event) // may be nil

	mu    sync.Mutex
	done  int
	total int
}

func newReporter(report func(Event)) *reporter { return &reporter{report: report} }

func (r *reporter) send(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sendLocked(e)
}

func (r *reporter) sendLocked(e Event) {
	if r.report != nil {
		r.report(e)
	}
}

// start reports the start of work on so many objects.
func (r *reporter) start(total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done, r.total = 0, total
	r.sendLocked(Event{Type: EventStarted, Total: total})
}

// one reports that one more object is done.
func (r *reporter) one() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	r.sendLocked(Event{Type: EventProgress, Done: r.done, Total: r.total})
}

// set reports how many objects are done.
func (r *reporter) set(done int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = done
	r.sendLocked(Event{Type: EventProgress, Done: r.done, Total: r.total})
}
