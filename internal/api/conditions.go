package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// maxTags is how many tags If-Match may have.
const maxTags = 16

// ifMatch reads the condition of a request (RFC 9110, section 13.1.1); nil without one. A weak
// tag matches nothing: the comparison is strong.
func ifMatch(header http.Header) (*control.Precondition, error) {
	fields := header.Values("If-Match")
	if len(fields) == 0 {
		return nil, nil //nolint:nilnil // no condition is no failure
	}
	wrong := &control.Error{
		Code: control.Invalid, Field: "If-Match", Message: `If-Match is malformed: write *, or the ETag of an answer with its quotes`,
	}
	rest := strings.Trim(strings.Join(fields, ","), " \t,")
	if rest == "*" {
		return &control.Precondition{Any: true}, nil
	}
	if rest == "" {
		return nil, wrong
	}
	found := &control.Precondition{}
	for count := 0; rest != ""; count++ {
		tag, weak := strings.CutPrefix(rest, "W/")
		text, quoted := strings.CutPrefix(tag, `"`)
		text, after, ended := strings.Cut(text, `"`)
		if !quoted || !ended || count == maxTags || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
			return nil, wrong
		}
		if !weak {
			found.Tags = append(found.Tags, text)
		}
		after = strings.TrimLeft(after, " \t")
		if after != "" && after[0] != ',' {
			return nil, wrong
		}
		rest = strings.TrimLeft(after, " \t,")
	}
	return found, nil
}

// condition returns the condition of a request to a method; an error where the method has none:
// a caller must not believe that theirs was tested.
func condition(header http.Header, conditional bool) (*control.Precondition, error) {
	found, err := ifMatch(header)
	if err != nil || found == nil || conditional {
		return found, err
	}
	return nil, &control.Error{
		Code: control.Invalid, Field: "If-Match", Message: "the endpoint takes no If-Match: GET /openapi.json says which ones do",
	}
}

// digestOf returns the digest that a request names in its body or as the tag of If-Match. With
// both, the tags must have the digest.
func (c caller) digestOf(digest string) (string, error) {
	switch p := c.ifMatch; {
	case p == nil, p.Any:
		return digest, nil
	case digest == "" && len(p.Tags) == 1:
		return p.Tags[0], nil
	case digest != "" && slices.Contains(p.Tags, digest):
		return digest, nil
	}
	return "", &control.Error{
		Code: control.PreconditionFailed, Field: "digest",
		Message: "If-Match has another digest than the request: write the digest of the state that the request is for in one of them",
	}
}

// conflicts returns a conflict of a request with If-Match: * as a failed condition.
func (c caller) conflicts(err error) error {
	if e := control.AsError(err); c.ifMatch != nil && e != nil && e.Code == control.Conflict {
		failed := *e
		failed.Code = control.PreconditionFailed
		return &failed
	}
	return err
}

// setTag names the state that the answer shows.
func (c caller) setTag(tag string) { c.header.Set("ETag", `"`+tag+`"`) }

// tagDocuments names the state of the documents: that of the one that is asked for by its name,
// else the revision of all.
func (c caller) tagDocuments(r control.GetRequest, found []document.Document, revision int64) error {
	if r.Kind == "" || r.Name == "" || len(found) != 1 {
		c.setTag(control.RevisionTag(revision))
		return nil
	}
	tag, err := control.DocumentTag(found[0])
	if err == nil {
		c.setTag(tag)
	}
	return err
}

// tagState names the state of an answer without a tag of its own by its text.
func tagState(header http.Header, text []byte) {
	if header.Get("ETag") == "" {
		sum := sha256.Sum256(text)
		header.Set("ETag", `"state-`+hex.EncodeToString(sum[:])+`"`)
	}
}
