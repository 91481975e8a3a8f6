package meshapi

import (
	"bytes"
	"net/http"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// userJSON is the media type of a user.
const userJSON = vendor + "meshuser.v2.hal+json"

// readUser reads the user that a request describes.
func (c *call) readUser() (document.Document, error) {
	var none document.Document
	if _, err := accepted(c.Request, false, userJSON); err != nil {
		return none, err
	}
	if err := checkContent(c.Request, userJSON); err != nil {
		return none, err
	}
	text, err := c.body(maxObject)
	if err != nil {
		return none, err
	}
	docs, _, err := document.Decode(bytes.NewReader(text), "body")
	switch {
	case err != nil:
		return none, err
	case len(docs) != 1 || docs[0].ID.Kind != document.KindUser:
		return none, invalid("kind", "the body has to be one %s", document.KindUser)
	}
	return docs[0], nil
}

// storeUser stores a user and answers with it.
func (c *call) storeUser(d document.Document, status int) error {
	result, err := c.service.Apply(c.ctx(), control.ApplyRequest{
		Documents: []document.Document{d}, ChangeOptions: control.ChangeOptions{By: c.by, Replicate: true},
	}, nil)
	if err != nil && !result.Stored {
		return err
	}
	tree, err := users().tree(d, nil, "v2")
	if err != nil {
		return err
	}
	return write(c.ResponseWriter, status, userJSON, tree)
}

func createUser(c *call) error {
	d, err := c.readUser()
	if err != nil {
		return err
	}
	switch _, err := c.service.Get(c.ctx(), control.GetRequest{Kind: d.ID.Kind, Name: d.ID.Name}); {
	case err == nil:
		return &control.Error{
			Code: control.Conflict, Kind: string(d.ID.Kind), Name: d.ID.Name,
			Message: "there is " + d.ID.String() + " already: change it by PUT",
		}
	case control.CodeOf(err) != control.NotFound:
		return err
	}
	return c.storeUser(d, http.StatusCreated)
}

func putUser(c *call) error {
	d, err := c.readUser()
	if err != nil {
		return err
	}
	if name := c.PathValue("name"); d.ID.Name != name {
		return invalid("metadata.name", "the path names the user %q, and the body another one", name)
	}
	return c.storeUser(d, http.StatusOK)
}

func deleteUser(c *call) error {
	result, err := c.service.Delete(c.ctx(), control.DeleteRequest{
		ID:            document.ID{Kind: document.KindUser, Name: c.PathValue("name")},
		ChangeOptions: control.ChangeOptions{By: c.by, AllowRemovals: true, Replicate: true},
	}, nil)
	if err != nil && !result.Stored {
		return err
	}
	c.WriteHeader(http.StatusNoContent)
	return nil
}
