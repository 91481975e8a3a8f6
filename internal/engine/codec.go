package engine

import (
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

var (
	// ErrPayload reports an encrypted payload that does not belong where it is.
	ErrPayload = errors.New("payload")
	// ErrPlaintext reports a payload that is not encrypted, though there is a key ring.
	ErrPlaintext = errors.New("payload is not encrypted")
)

// PlaintextVariable names the environment variable that accepts payloads which are not
// encrypted, with the value AcceptPlaintext, while clients and workers get a key ring one
// after the other.
const (
	PlaintextVariable = "ROLLCALL_PLAINTEXT_PAYLOADS"
	AcceptPlaintext   = "accept"
)

// AcceptsPlaintext reports whether the environment accepts payloads that are not encrypted. It
// fails on a value of PlaintextVariable that it does not know.
func AcceptsPlaintext(getenv func(string) string) (bool, error) {
	switch value := getenv(PlaintextVariable); value {
	case "":
		return false, nil
	case AcceptPlaintext:
		return true, nil
	default:
		return false, fmt.Errorf("engine: %s is %q: write %s, or leave it out", PlaintextVariable, value, AcceptPlaintext)
	}
}

// What the metadata of an encrypted payload says in the open.
const (
	encodingEntry  = "encoding"
	encryptedValue = "binary/encrypted"
	keyEntry       = "rollcall-key"
	namespaceEntry = "rollcall-namespace"
	workflowEntry  = "rollcall-workflow"
)

// codec encrypts payloads with AES-256-GCM. Namespace and workflow ID are
// associated data: they stand in the metadata, so that a codec server can
// decrypt, and a payload moved to another workflow is refused.
type codec struct {
	keys                *Keyring
	namespace, workflow string // empty where the SDK gives no context
	plaintext           bool   // payloads that are not encrypted are accepted
}

var (
	_ converter.PayloadCodec                         = codec{}
	_ converter.PayloadCodecWithSerializationContext = codec{}
)

// NewCodec returns the codec of a namespace. Decode refuses payloads that are not encrypted
// with ErrPlaintext: a client that reaches Temporal could write them without the keys. With plaintext
// they pass as they are, for codec servers, which show histories and act on none, and while a
// key ring is introduced.
func NewCodec(keys *Keyring, namespace string, plaintext bool) converter.PayloadCodec {
	return codec{keys: keys, namespace: namespace, plaintext: plaintext}
}

// WithSerializationContext returns the codec of the workflow at hand.
func (c codec) WithSerializationContext(at converter.SerializationContext) converter.PayloadCodec {
	switch at := at.(type) {
	case converter.WorkflowSerializationContext:
		c.namespace, c.workflow = at.Namespace, at.WorkflowID
	case converter.ActivitySerializationContext:
		c.namespace, c.workflow = at.Namespace, at.WorkflowID
	}
	return c
}

// Encode encrypts.
func (c codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	sealed := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("engine: %w: %w", ErrPayload, err)
		}
		id, key := c.keys.current()
		sealed[i] = &commonpb.Payload{
			Metadata: map[string][]byte{
				encodingEntry: []byte(encryptedValue), keyEntry: []byte(id),
				namespaceEntry: []byte(c.namespace), workflowEntry: []byte(c.workflow),
			},
			Data: key.Seal(nil, nil, plain, associated(id, c.namespace, c.workflow)), //nolint:gosec // the key draws its nonces
		}
	}
	return sealed, nil
}

// Decode decrypts what Encode encrypted.
func (c codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	opened := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[encodingEntry]) != encryptedValue {
			if !c.plaintext {
				return nil, c.refusePlaintext()
			}
			opened[i] = p
			continue
		}
		var err error
		if opened[i], err = c.open(p); err != nil {
			return nil, err
		}
	}
	return opened, nil
}

// refusePlaintext returns the error about a payload that is not encrypted.
func (c codec) refusePlaintext() error {
	workflow := "a workflow"
	if c.workflow != "" {
		workflow = fmt.Sprintf("workflow %q", c.workflow)
	}
	return fmt.Errorf("engine: %w: a client or worker without the key ring wrote an input or a result of %s: set %s there; "+
		"while it is introduced, set %s=%s here", ErrPlaintext, workflow, KeyringVariable, PlaintextVariable, AcceptPlaintext)
}

func (c codec) open(p *commonpb.Payload) (*commonpb.Payload, error) {
	said := p.GetMetadata()
	id, namespace, workflow := string(said[keyEntry]), string(said[namespaceEntry]), string(said[workflowEntry])
	if c.workflow != "" && workflow != "" && (namespace != c.namespace || workflow != c.workflow) {
		return nil, fmt.Errorf("engine: %w: encrypted for workflow %q in namespace %q, found in %q in %q",
			ErrPayload, workflow, namespace, c.workflow, c.namespace)
	}
	key, err := c.keys.key(id)
	if err != nil {
		return nil, err
	}
	plain, err := key.Open(nil, nil, p.GetData(), associated(id, namespace, workflow))
	if err != nil {
		return nil, fmt.Errorf("engine: %w: cannot be decrypted with key %q: it, or its metadata, was changed", ErrPayload, id)
	}
	opened := &commonpb.Payload{}
	if err := proto.Unmarshal(plain, opened); err != nil {
		return nil, fmt.Errorf("engine: %w: %w", ErrPayload, err)
	}
	return opened, nil
}

// associated joins what a payload is bound to; no part can hold the separator.
func associated(parts ...string) []byte {
	var data []byte
	for _, p := range parts {
		data = append(append(data, p...), 0)
	}
	return data
}

// Encrypt returns options with which all payloads, and the texts of failures,
// are encrypted with the keys in the directory that KeyringVariable names. Payloads that are
// not encrypted are refused, unless PlaintextVariable accepts them. Without a directory the
// options are as they were.
func Encrypt(options client.Options, getenv func(string) string) (client.Options, error) {
	dir := getenv(KeyringVariable)
	plaintext, err := AcceptsPlaintext(getenv)
	if err != nil || dir == "" {
		return options, err
	}
	keys, err := OpenKeyring(dir)
	if err != nil {
		return options, err
	}
	codec := NewCodec(keys, options.Namespace, plaintext)
	options.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec)
	options.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: options.DataConverter, EncodeCommonAttributes: true,
	})
	return options, nil
}
