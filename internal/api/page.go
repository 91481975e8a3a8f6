package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Bounds of pages.
const (
	defaultPage = 500
	maxPage     = 5000
	// pageLifetime is how long a page token is valid.
	pageLifetime = 15 * time.Minute
	// maxPageToken is how long a page token may be.
	maxPageToken = 4096
)

// PageRequest asks for a page of a list (AIP-158). All pages of a list show one state.
type PageRequest struct {
	// PageSize is how many items the page has at most; 0 for 500. More than 5000 are 5000. A
	// page may have fewer items before the last one.
	PageSize int `json:"pageSize,omitempty" minimum:"0"`
	// PageToken is the nextPageToken of the page before, for the same caller and request; empty
	// for the first page. It is valid for 15 minutes.
	PageToken string `json:"pageToken,omitempty" maxLength:"4096"`
}

// State is what the servers of an installation share. The store implements it.
type State interface { //nolint:interfacebloat // the lists and the requests of one store
	// ServerKey returns the 32 bytes of a name.
	ServerKey(ctx context.Context, name string) ([]byte, error)
	// StoreList keeps the items of a list, and the rest of its answer, for PageOfList.
	StoreList(ctx context.Context, caller, rest []byte, items [][]byte) (id string, err error)
	// PageOfList returns items from an index on. It fails for a list that is not kept any more.
	PageOfList(ctx context.Context, id string, caller []byte, from, limit int) (rest []byte, items [][]byte, err error)
	// BeginRequest begins an attempt of a request with an idempotency key, or returns the digest
	// and the answer of the request that the key has. All of caller, key and request are digests.
	BeginRequest(ctx context.Context, caller, key, request []byte, attempt string) (stored, answer []byte, restarted bool, err error)
	// HeartbeatRequest tells that the attempt still runs. Without it, the attempt has crashed.
	HeartbeatRequest(ctx context.Context, caller, key []byte, attempt string) error
	// EndRequest stores the answer of the attempt; without one, the key can be used again.
	EndRequest(ctx context.Context, caller, key []byte, attempt string, answer []byte) error
	// IsNotFound reports whether an error of PageOfList is that.
	IsNotFound(err error) bool
}

// pages cuts lists into pages.
type pages struct {
	state State // nil answers whole lists
	max   int
	now   func() time.Time

	mu  sync.Mutex
	key cipher.AEAD // of tokens, once it is read
}

// position is where a page begins. A page token is a position, encrypted and authenticated for one
// caller and request: it names users where documents do.
type position struct {
	// List and From are those of a kept list.
	List string `json:"list,omitempty"`
	From int    `json:"from,omitempty"`
	// After and Revision are those of a page of documents.
	After    document.ID `json:"after,omitzero"`
	Revision int64       `json:"revision,omitempty"`
	// Rights is the digest of the caller's rights.
	Rights string `json:"rights,omitempty"`
	// Expires is in Unix seconds.
	Expires int64 `json:"expires"`
}

// rightsOf returns the digest of a caller's rights; empty for a service without any.
func (c caller) rightsOf() string {
	if limited, ok := c.Service.(interface{ RightsDigest() string }); ok {
		return limited.RightsDigest()
	}
	return ""
}

// digest names the caller with their rights, for lists that are kept.
func (c caller) digest() []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", c.by.ID(), c.rightsOf()))
	return sum[:]
}

// size returns how many items a page has.
func (p *pages) size(requested int) (int, error) {
	switch {
	case requested < 0:
		return 0, &control.Error{Code: control.Invalid, Field: "pageSize", Message: fmt.Sprintf(
			"the page size is %d: write 1 to %d, or 0 for %d", requested, maxPage, defaultPage)}
	case requested == 0:
		requested = defaultPage
	}
	return min(requested, p.max), nil
}

// aead returns the cipher of tokens.
func (p *pages) aead(ctx context.Context) (cipher.AEAD, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key != nil {
		return p.key, nil
	}
	key, err := p.state.ServerKey(ctx, "page tokens")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("api: the key of page tokens: %w", err)
	}
	p.key, err = cipher.NewGCMWithRandomNonce(block)
	return p.key, err
}

// bound is what a token is valid for: the caller, the method and the request without the page.
func bound(c caller, request any) ([]byte, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %s", c.by.ID(), c.method, text))
	return sum[:], nil
}

// encrypt returns the token of a position.
func (p *pages) encrypt(ctx context.Context, c caller, request any, at position) (string, error) {
	at.Rights, at.Expires = c.rightsOf(), p.now().Add(pageLifetime).Unix()
	text, err := json.Marshal(at)
	if err != nil {
		return "", fmt.Errorf("api: %w", err)
	}
	key, err := p.aead(ctx)
	if err != nil {
		return "", err
	}
	of, err := bound(c, request)
	return base64.RawURLEncoding.EncodeToString(key.Seal(nil, nil, text, of)), err //nolint:gosec // the cipher makes the nonce
}

// decrypt returns the position of a token; the zero position for none.
func (p *pages) decrypt(ctx context.Context, c caller, request any, token string) (position, error) {
	var at position
	if token == "" {
		return at, nil
	}
	wrong := &control.Error{
		Code: control.Invalid, Field: "pageToken",
		Message: "the page token is none of this caller and request: begin again without it",
	}
	if p.state == nil || len(token) > maxPageToken {
		return at, wrong
	}
	key, err := p.aead(ctx)
	if err != nil {
		return at, err
	}
	ciphertext, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return at, wrong
	}
	of, err := bound(c, request)
	if err != nil {
		return at, err
	}
	text, err := key.Open(nil, nil, ciphertext, of)
	if err != nil || json.Unmarshal(text, &at) != nil {
		return position{}, wrong
	}
	switch {
	case p.now().Unix() >= at.Expires:
		return at, expired("the page token has expired")
	case at.Rights != c.rightsOf():
		return at, expired("your rights have changed since the first page")
	}
	return at, nil
}

func expired(reason string) error {
	return &control.Error{Code: control.Expired, Field: "pageToken", Message: reason + ": begin again without a page token"}
}

// part is a page of a list, with the rest of the answer.
type part[R, T any] struct {
	rest  R
	items []T
	next  string
}

// listPage returns a page of a list. The first page of a list that has several computes the
// whole list and keeps it: no state but the kept one is the same a minute later.
func listPage[R, T any](ctx context.Context, c caller, request any, page PageRequest, all func() (R, []T, error)) (part[R, T], error) {
	p := c.pages
	size, err := p.size(page.PageSize)
	if err != nil {
		return part[R, T]{}, err
	}
	at, err := p.decrypt(ctx, c, request, page.PageToken)
	if err != nil {
		return part[R, T]{}, err
	}
	if page.PageToken != "" {
		return storedPage[R, T](ctx, c, request, at, size)
	}
	rest, items, err := all()
	if err != nil || p.state == nil || len(items) <= size {
		return part[R, T]{rest: rest, items: items}, err
	}
	texts := make([][]byte, len(items))
	for i, item := range items {
		if texts[i], err = json.Marshal(item); err != nil {
			return part[R, T]{}, fmt.Errorf("api: %w", err)
		}
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return part[R, T]{}, fmt.Errorf("api: %w", err)
	}
	id, err := p.state.StoreList(ctx, c.digest(), text, texts)
	if err != nil {
		return part[R, T]{}, err
	}
	next, err := p.encrypt(ctx, c, request, position{List: id, From: size})
	return part[R, T]{rest: rest, items: items[:size], next: next}, err
}

// storedPage returns a page of a kept list.
func storedPage[R, T any](ctx context.Context, c caller, request any, at position, size int) (part[R, T], error) {
	var found part[R, T]
	p := c.pages
	rest, texts, err := p.state.PageOfList(ctx, at.List, c.digest(), at.From, size+1)
	if p.state.IsNotFound(err) {
		return found, expired("the list is not kept any more")
	}
	if err != nil {
		return found, err
	}
	if err := json.Unmarshal(rest, &found.rest); err != nil {
		return found, fmt.Errorf("api: a kept list: %w", err)
	}
	if len(texts) > size {
		texts = texts[:size]
		if found.next, err = p.encrypt(ctx, c, request, position{List: at.List, From: at.From + size}); err != nil {
			return found, err
		}
	}
	found.items = make([]T, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal(text, &found.items[i]); err != nil {
			return found, fmt.Errorf("api: a kept list: %w", err)
		}
	}
	return found, nil
}

// listOf returns a page of a list that is the whole answer.
func listOf[T any](ctx context.Context, c caller, request any, page PageRequest, all func() ([]T, error)) (List[T], error) {
	found, err := listPage(ctx, c, request, page, func() (struct{}, []T, error) {
		items, err := all()
		return struct{}{}, items, err
	})
	if found.items == nil {
		found.items = []T{}
	}
	return List[T]{Items: found.items, NextPageToken: found.next}, err
}

// whole returns a list that is short: of one tenant, or what workers report.
func whole[T any](items []T, err error) (List[T], error) {
	if items == nil {
		items = []T{}
	}
	return List[T]{Items: items}, err
}

// documentPage returns a page of documents: of one revision, which costs no more than the page.
func documentPage(ctx context.Context, c caller, r control.GetRequest, page PageRequest, export bool) (DocumentList, error) {
	source, paged := c.Service.(control.DocumentPages)
	if !paged || c.pages.state == nil {
		read := func() ([]document.Document, error) { return c.Get(ctx, r) }
		if export {
			read = func() ([]document.Document, error) { return c.Export(ctx) }
		}
		documents, err := read()
		return DocumentList{Documents: documents}, err
	}
	size, err := c.pages.size(page.PageSize)
	if err != nil {
		return DocumentList{}, err
	}
	at, err := c.pages.decrypt(ctx, c, r, page.PageToken)
	if err != nil {
		return DocumentList{}, err
	}
	found, err := source.DocumentPage(ctx, control.DocumentPageRequest{
		GetRequest: r, Export: export, After: at.After, Limit: size, Revision: at.Revision,
	})
	if err != nil {
		return DocumentList{}, err
	}
	if err := c.tagDocuments(r, found.Documents, found.Revision); err != nil {
		return DocumentList{}, err
	}
	list := DocumentList{Documents: found.Documents}
	if found.Last != (document.ID{}) {
		list.NextPageToken, err = c.pages.encrypt(ctx, c, r, position{After: found.Last, Revision: found.Revision})
	}
	return list, err
}
