package api

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/explain"
)

// endpoint is a method of control.Service.
type endpoint[In, Out any] struct {
	// name is the path below /v1/, and the ID of the operation with a dash for each slash.
	name string
	// method is that of control.Service.
	method  string
	summary string
	// streams is true if the method reports events.
	streams bool
	// documents is true if the request has documents, which may be large.
	documents bool
	// changes is true if the call waits for the lock of changes, with a connection of the
	// database. So few run at one time that other calls have connections.
	changes bool
	// tagged is true if the answer has an ETag, and conditional if the request may have If-Match.
	tagged, conditional bool
	// keyed is true if the request may have an idempotency key: it changes something.
	keyed bool
	// reads is true if the call reads all documents.
	reads bool
}

// set stores what every endpoint has.
func (e *endpoint[In, Out]) set(method, name, summary string) {
	e.method, e.name, e.summary = method, name, summary
}

// endpoints are all, by the methods of control.Service.
type endpoints struct {
	get                   endpoint[GetRequest, DocumentList]
	apply                 endpoint[ApplyRequest, control.ChangeResult]
	applyPlan             endpoint[control.ApplyPlanRequest, control.ChangeResult]
	deleteDocument        endpoint[control.DeleteRequest, control.ChangeResult]
	export                endpoint[PageRequest, DocumentList]
	listTenants           endpoint[TenantListRequest, List[access.TenantID]]
	replicate             endpoint[control.ReplicateRequest, control.ReplicateResult]
	status                endpoint[StatusRequest, StatusPage]
	explain               endpoint[control.ExplainRequest, explain.Answer]
	plan                  endpoint[control.PlanRequest, control.PlanSummary]
	planDocuments         endpoint[PlanDocumentsRequest, control.DocumentsPlan]
	listPending           endpoint[PageRequest, List[control.PendingTenant]]
	decide                endpoint[control.DecideRequest, control.ReplicateResult]
	listDecisions         endpoint[TenantsRequest, List[control.DecisionRecord]]
	listAdoptions         endpoint[PageRequest, List[control.AdoptionRecord]]
	listAdoptable         endpoint[TenantRequest, List[string]]
	adopt                 endpoint[control.AdoptRequest, control.AdoptResult]
	listRevocations       endpoint[RevocationsRequest, List[control.Revocation]]
	getRevocation         endpoint[UserRequest, control.Revocation]
	revoke                endpoint[control.RevokeRequest, control.RevokeResult]
	lift                  endpoint[control.LiftRequest, control.LiftResult]
	listConnections       endpoint[None, control.ConnectionsReport]
	checkConnections      endpoint[control.CheckRequest, control.ConnectionsReport]
	forget                endpoint[control.ForgetRequest, control.ForgetResult]
	listAbandoned         endpoint[PlatformRequest, List[control.AbandonedPlatform]]
	listFormerConnections endpoint[None, List[control.FormerConnection]]
	listCalls             endpoint[control.CallsRequest, control.CallsPage]
}

func newEndpoints() endpoints { //nolint:funlen // one line for each
	var e endpoints
	e.get.set("Get", "documents/get", "Get the stored documents of a kind, or one")
	e.get.reads, e.export.reads = true, true
	e.apply.set("Apply", "documents/apply", "Store documents, all or none")
	e.apply.streams, e.apply.documents = true, true
	e.applyPlan.set("ApplyPlan", "documents/apply-plan", "Store exactly the change that was planned under a digest")
	e.applyPlan.streams, e.applyPlan.changes = true, true
	e.deleteDocument.set("Delete", "documents/delete", "Remove a document")
	e.deleteDocument.streams, e.deleteDocument.changes = true, true
	e.export.set("Export", "documents/export", "Get all documents, with what restores them")
	e.planDocuments.set("PlanDocuments", "documents/plan", "Plan the tenants that a change of documents would affect")
	e.planDocuments.streams, e.planDocuments.documents = true, true
	e.listTenants.set("ListTenants", "tenants/list", "List the chosen tenants")
	e.replicate.set("Replicate", "tenants/replicate", "Replicate the chosen tenants")
	e.replicate.streams = true
	e.status.set("Status", "tenants/status", "Get the outcomes, warnings and open runs of the chosen tenants")
	e.explain.set("Explain", "tenants/explain", "Explain why a user has or lacks access to a tenant")
	e.plan.set("Plan", "tenants/plan", "Plan the chosen tenants")
	e.plan.streams = true
	e.listPending.set("ListPending", "decisions/pending", "List the steps that wait for an approval")
	e.decide.set("Decide", "decisions/decide", "Approve or reject the steps that wait on a tenant")
	e.decide.streams = true
	e.listDecisions.set("ListDecisions", "decisions/list", "List the decisions about removals")
	e.listAdoptions.set("ListAdoptions", "adoptions/list", "List the adoptions of groups")
	e.listAdoptable.set("ListAdoptable", "adoptions/adoptable", "List the groups that a tenant's documents desire")
	e.adopt.set("Adopt", "adoptions/adopt", "Take over groups that exist on a platform")
	e.adopt.streams = true
	e.listRevocations.set("ListRevocations", "revocations/list", "List the revocations of users")
	e.getRevocation.set("GetRevocation", "revocations/get", "Get the revocation of a user")
	e.revoke.set("Revoke", "revocations/revoke", "Take all access from a user")
	e.revoke.streams = true
	e.lift.set("Lift", "revocations/lift", "End the revocation of a user")
	e.lift.streams = true
	e.listConnections.set("ListConnections", "connections/list", "List the connections of the workers")
	e.checkConnections.set("CheckConnections", "connections/check", "Check the connections that platforms use")
	e.forget.set("Forget", "platforms/forget", "Drop the records of a platform whose document is deleted")
	e.listAbandoned.set("ListAbandoned", "platforms/abandoned", "List the platforms whose cleanup was given up")
	e.listFormerConnections.set("ListFormerConnections", "connections/former", "List the connections that documents named before")
	e.listCalls.set("ListCalls", "calls/list", "List the calls of servers, a page at a time")
	e.get.tagged, e.export.tagged, e.listTenants.tagged, e.status.tagged, e.explain.tagged = true, true, true, true, true
	e.listPending.tagged, e.getRevocation.tagged = true, true
	e.apply.conditional, e.applyPlan.conditional, e.deleteDocument.conditional = true, true, true
	e.decide.conditional, e.adopt.conditional, e.lift.conditional = true, true, true
	e.apply.keyed, e.applyPlan.keyed, e.deleteDocument.keyed, e.replicate.keyed = true, true, true, true
	e.decide.keyed, e.adopt.keyed, e.revoke.keyed, e.lift.keyed, e.forget.keyed = true, true, true, true, true
	return e
}

// None is the request of a method without parameters.
type None struct{}

// List is a list of results.
type List[T any] struct {
	Items []T `json:"items"`
	// NextPageToken is empty on the last page.
	NextPageToken string `json:"nextPageToken,omitempty"`
}

// GetRequest is control.GetRequest for a page.
type GetRequest struct {
	control.GetRequest
	PageRequest
}

// TenantListRequest asks for a page of the chosen tenants.
type TenantListRequest struct {
	control.Selection
	PageRequest
}

// StatusRequest is control.StatusRequest for a page of the tenants.
type StatusRequest struct {
	control.StatusRequest
	PageRequest
}

// StatusPage is control.StatusResult with a page of the tenants. The rest is that of all tenants.
type StatusPage struct {
	control.StatusResult
	NextPageToken string `json:"nextPageToken,omitempty"`
}

// TenantRequest names a tenant.
type TenantRequest struct {
	Tenant access.TenantID `json:"tenant"`
}

// TenantsRequest names tenants; none stand for all.
type TenantsRequest struct {
	Tenants []access.TenantID `json:"tenants,omitempty"`
	PageRequest
}

// UserRequest names a user.
type UserRequest struct {
	User string `json:"user"`
}

// PlatformRequest names a platform; an empty name stands for all.
type PlatformRequest struct {
	Platform string `json:"platform,omitempty"`
	PageRequest
}

// RevocationsRequest asks for revocations.
type RevocationsRequest struct {
	// Lifted adds those that are lifted.
	Lifted bool `json:"lifted,omitempty"`
	PageRequest
}

// DocumentList is a list of documents.
type DocumentList struct {
	Documents     Documents `json:"documents"`
	NextPageToken string    `json:"nextPageToken,omitempty"`
}

// ApplyRequest is control.ApplyRequest.
type ApplyRequest struct {
	Documents Documents `json:"documents"`
	Origins   []Origin  `json:"origins,omitempty"`
	Prune     bool      `json:"prune,omitempty"`
	control.ChangeOptions
}

// PlanDocumentsRequest is control.PlanDocumentsRequest.
type PlanDocumentsRequest struct {
	Documents Documents `json:"documents"`
	Origins   []Origin  `json:"origins,omitempty"`
	Prune     bool      `json:"prune,omitempty"`
	Ordered   bool      `json:"ordered,omitempty"`
}

// Origin is where the document of the same index was read. Messages name it.
type Origin struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

func originsOf(documents []document.Document) []Origin {
	origins := make([]Origin, len(documents))
	for i, d := range documents {
		origins[i] = Origin{File: d.File, Line: d.Line}
	}
	return origins
}

// maxOrigin is how long the name of a file may be.
const maxOrigin = 4096

// place gives documents of a request their origins: by default the request and the index.
func place(documents []document.Document, origins []Origin) error {
	if len(origins) != 0 && len(origins) != len(documents) {
		return &control.Error{Code: control.Invalid, Field: "origins", Message: fmt.Sprintf(
			"there are %d origins for %d documents: give one for each document, or none", len(origins), len(documents))}
	}
	for i := range documents {
		documents[i].File, documents[i].Line = fmt.Sprintf("documents[%d]", i), 0
		if len(origins) > 0 && origins[i].File != "" && len(origins[i].File) <= maxOrigin && origins[i].Line >= 0 {
			documents[i].File, documents[i].Line = origins[i].File, origins[i].Line
		}
	}
	return nil
}

// Documents are documents as JSON objects, checked by the schemas of their kinds.
type Documents []document.Document

// MarshalJSON writes the documents as rollcall export does.
func (d Documents) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('[')
	for i, doc := range d {
		if i > 0 {
			out.WriteByte(',')
		}
		body, err := doc.JSON()
		if err != nil {
			return nil, err
		}
		out.Write(body)
	}
	out.WriteByte(']')
	return out.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON writes. Its error is document.Problems for documents
// that their schemas refuse.
func (d *Documents) UnmarshalJSON(text []byte) error {
	read, _, err := document.Decode(bytes.NewReader(text), "documents")
	for i := range read {
		read[i].File, read[i].Line = "", 0
	}
	*d = read
	return err
}

// Schema is that of the OpenAPI description: each kind has its own, which rollcall schema
// prints.
func (Documents) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true, Required: []string{"apiVersion", "kind"},
		Properties:  map[string]*huma.Schema{"apiVersion": {Type: huma.TypeString}, "kind": {Type: huma.TypeString}},
		Description: "A document, by the JSON Schema of its kind.",
	}}
}

// line is a line of a stream: an event, or at last the result, with the failure if there is one.
type line struct {
	Event  *control.Event  `json:"event,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *Problem        `json:"error,omitempty"`
}
