package aws

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// The errors' names, as the models have them.
const (
	accessDenied   = "AccessDeniedException"
	conflict       = "ConflictException"
	internalFault  = "InternalServerException"
	notFound       = "ResourceNotFoundException"
	quotaExceeded  = "ServiceQuotaExceededException"
	throttling     = "ThrottlingException"
	tooMany        = "TooManyRequestsException"
	validation     = "ValidationException"
	invalidInput   = "InvalidInputException"
	accountMissing = "AccountNotFoundException"
	unknown        = "UnknownOperationException"
	serialization  = "SerializationException"
)

// refusal is an error of the vendor's.
type refusal struct {
	status  int
	code    string
	message string
	// more are the error's other members.
	more map[string]any
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(code, format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

// with adds a member to the error.
func (r *refusal) with(name string, value any) *refusal {
	if r.more == nil {
		r.more = map[string]any{}
	}
	r.more[name] = value
	return r
}

// missing is the Identity Store's answer about an object that is not there.
func missing(kind, id string) *refusal {
	return refuse(notFound, "%s not found.", kind).with("ResourceType", kind).with("ResourceId", id)
}

// answerRefusal writes the error in the form of the JSON protocol, or in that of
// the query protocol.
func answerRefusal(w http.ResponseWriter, query bool, r *refusal) {
	id := uuid.NewString()
	w.Header().Set("X-Amzn-Requestid", id)
	if query {
		answerXML(w, r.status, errorResponse{
			Xmlns: stsNamespace, Type: "Sender", Code: r.code, Message: r.message, RequestID: id,
		})
		return
	}
	body := map[string]any{"__type": r.code, "Message": r.message, "RequestId": id}
	maps.Copy(body, r.more)
	w.Header().Set("Content-Type", jsonType)
	simulate.JSON(w, r.status, body)
}

// injected answers a fault that a test or an operator asked for.
func injected(query bool) simulate.Refuse {
	return func(w http.ResponseWriter, f simulate.Fault) {
		status, code := f.Status, f.Code
		if code == "" {
			code = map[int]string{
				http.StatusBadRequest: validation, http.StatusForbidden: accessDenied, http.StatusUnauthorized: accessDenied,
				http.StatusNotFound: notFound, http.StatusConflict: conflict, http.StatusTooManyRequests: throttling,
			}[status]
		}
		if code == "" {
			code = internalFault
		}
		answerRefusal(w, query, &refusal{status: status, code: code, message: f.Words("The simulator was asked to fail.")})
	}
}

// errorResponse is an error of the query protocol.
type errorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Xmlns     string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func answerXML(w http.ResponseWriter, status int, value any) {
	body, err := xml.Marshal(value)
	if err != nil {
		http.Error(w, "the simulator made an answer that is no XML: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // the encoder has escaped it; the caller may have left
}
