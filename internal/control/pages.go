package control

import (
	"context"
	"errors"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// DocumentPages are the stored documents in pages of one revision.
type DocumentPages interface {
	// DocumentPage returns a page of what Get or Export return. It is Expired if the documents
	// have another revision than the request's: older states are not stored.
	DocumentPage(ctx context.Context, r DocumentPageRequest) (DocumentPage, error)
}

// DocumentPageRequest asks for a page of documents.
type DocumentPageRequest struct {
	GetRequest
	// Export adds what restores the documents, as Documents.Export does.
	Export bool
	// After is DocumentPage.Last of the page before; the zero ID begins.
	After document.ID
	// Limit is how many documents the page has at most; 0 for all.
	Limit int
	// Revision is that of the first page; 0 for any.
	Revision int64
}

// DocumentPage is a part of the documents.
type DocumentPage struct {
	// Documents may be fewer than the limit, even none, before the last page.
	Documents []document.Document
	// Revision is that of all documents.
	Revision int64
	// Last is the ID at which the page ends; the zero ID on the last page.
	Last document.ID
}

var (
	_ DocumentPages = (*Local)(nil)
	_ DocumentPages = (*restricted)(nil)
)

// DocumentPage is that of DocumentPages.
func (l *Local) DocumentPage(ctx context.Context, r DocumentPageRequest) (DocumentPage, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return DocumentPage{}, err
	}
	found, revision, hasNext, err := s.DocumentPage(ctx, store.PageRequest{
		Filter: store.Filter(r.GetRequest), After: r.After, Limit: r.Limit, Revision: r.Revision, Numbers: r.Export,
	})
	if errors.Is(err, store.ErrChanged) {
		return DocumentPage{}, documentsChanged(err)
	}
	if err != nil {
		return DocumentPage{}, err
	}
	page := DocumentPage{Documents: found, Revision: revision}
	if hasNext {
		page.Last = found[len(found)-1].ID
	}
	if len(found) == 0 && r.Name != "" {
		return page, notFound(string(r.Kind), r.Name)
	}
	return page, nil
}

func documentsChanged(cause error) error {
	return &Error{
		Code: Expired, Field: "pageToken", cause: cause,
		Message: "the documents have changed since the first page, and their former state is not stored: begin again without a page token",
	}
}

// DocumentPage is that of DocumentPages. What documents refer to decides which ones readers of
// some workspaces may read, so that their pages are cut from all documents.
func (r *restricted) DocumentPage(ctx context.Context, request DocumentPageRequest) (DocumentPage, error) {
	if request.Export {
		if err := r.allow("Export"); err != nil {
			return DocumentPage{}, err
		}
		return r.local.DocumentPage(ctx, request)
	}
	if err := r.allow("Get"); err != nil {
		return DocumentPage{}, err
	}
	if r.rights.Scope("Get").All() {
		return r.pageOfAll(ctx, request)
	}
	page, err := r.local.DocumentPage(ctx, DocumentPageRequest{Revision: request.Revision})
	if err != nil {
		return DocumentPage{}, err
	}
	found, err := r.rights.Visible(page.Documents)
	if err != nil {
		return DocumentPage{}, err
	}
	found = chosenDocuments(found, request.GetRequest)
	if len(found) == 0 && request.Name != "" {
		return DocumentPage{}, notFound(string(request.Kind), request.Name)
	}
	page.Documents = slices.DeleteFunc(found, func(d document.Document) bool {
		return request.After != (document.ID{}) && d.ID.Compare(request.After) <= 0
	})
	if request.Limit > 0 && len(page.Documents) > request.Limit {
		page.Documents = page.Documents[:request.Limit]
		page.Last = page.Documents[request.Limit-1].ID
	}
	return page, nil
}

// chosenDocuments leaves out the documents that the request does not choose.
func chosenDocuments(found []document.Document, r GetRequest) []document.Document {
	return slices.DeleteFunc(found, func(d document.Document) bool {
		return r.Kind != "" && d.ID.Kind != r.Kind || r.Name != "" && d.ID.Name != r.Name
	})
}

// pageOfAll returns a page for a reader of all workspaces: each document alone decides.
func (r *restricted) pageOfAll(ctx context.Context, request DocumentPageRequest) (DocumentPage, error) {
	page, err := r.local.DocumentPage(ctx, request)
	if err != nil {
		return DocumentPage{}, err
	}
	if page.Documents, err = r.rights.Visible(page.Documents); err != nil {
		return DocumentPage{}, err
	}
	if len(page.Documents) == 0 && request.Name != "" {
		return DocumentPage{}, notFound(string(request.Kind), request.Name)
	}
	return page, nil
}

// RightsDigest names the caller's rights: pages of a list are for one caller with one set of
// rights.
func (r *restricted) RightsDigest() string { return r.rights.Digest() }
