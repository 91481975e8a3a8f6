package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// changeMembers adds in one call, or in two where some are there, and removes in
// one more.
func (d *Directory) changeMembers(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	add, remove := refsOf(step.Adds()), refsOf(step.Removes())
	for _, ref := range slices.Concat(add, remove) {
		if !isGUID(ref) {
			return "", fmt.Errorf("azure: group %q: %w: a member without an id", step.Key().Group, fault.ErrInvalid)
		}
	}
	known := groupRef(step)
	id, err := d.WithGroup(ctx, scope, known, step.Key().Group, func(id string) error {
		for part := range slices.Chunk(add, rules.MemberChunk) {
			if err := d.addMembers(ctx, id, part); err != nil {
				return err
			}
		}
		return d.removeMembers(ctx, id, remove)
	})
	if errors.Is(err, fault.ErrNotFound) && len(add) == 0 {
		return known, nil // nobody is in a group that is gone
	}
	return id, err
}

// refsOf returns the ids of the members.
func refsOf(members []access.Member) []string {
	var refs []string
	for _, m := range members {
		refs = append(refs, m.Ref)
	}
	return refs
}

// addMembers adds up to 20 members: all of them, or none if one is there
// (https://learn.microsoft.com/graph/api/group-post-members).
func (d *Directory) addMembers(ctx context.Context, id string, refs []string) error {
	links := make([]string, len(refs))
	for i, ref := range refs {
		links[i] = d.reference("directoryObjects", ref).ID
	}
	got, err := d.graph.send(ctx, newRequest("PATCH /groups/"+id, groupPath(id), groupBody{Type: groupType, Bind: links}))
	if err != nil {
		return err
	}
	switch {
	case isThere(got):
		return d.addEach(ctx, id, refs)
	case isYoung(got):
		return d.young(ctx, id, got)
	default:
		return got.err()
	}
}

// isYoung accepts the answer about a group that was made a moment ago and is not
// known to the replica that was asked
// (https://learn.microsoft.com/graph/api/group-post-members).
func isYoung(got answer) bool {
	return got.status == http.StatusBadRequest && got.says(sourceUnknown)
}

// young says what that answer means: wait, unless the group is gone. A group that is
// older is known everywhere; its new member may not be.
func (d *Directory) young(ctx context.Context, id string, got answer) error {
	made, err := d.createdAt(ctx, id)
	if err != nil && (!errors.Is(err, fault.ErrNotFound) || d.made.By(id) == "") {
		return err
	}
	return ageError(fmt.Errorf("azure: the members of %s: the group, or the account, is not known everywhere yet", id), got.refused(), made)
}

// addEach adds the members one by one.
func (d *Directory) addEach(ctx context.Context, id string, refs []string) error {
	var requests []request
	for _, ref := range refs {
		body := d.reference("directoryObjects", ref)
		requests = append(requests, newRequest("POST /groups/"+id+"/members/$ref", groupPath(id)+"/members/$ref", body))
	}
	return d.writeAll(ctx, id, requests, isThere)
}

// removeMembers takes "not found" for done: the member, the user or the group is
// gone (https://learn.microsoft.com/graph/api/group-delete-members).
func (d *Directory) removeMembers(ctx context.Context, id string, refs []string) error {
	var requests []request
	for _, ref := range refs {
		path := groupPath(id) + "/members/" + url.PathEscape(ref) + "/$ref"
		requests = append(requests, newRequest("DELETE /groups/"+id+"/members/{member}/$ref", path, nil))
	}
	return d.writeAll(ctx, id, requests, isMissing)
}

// writeAll sends writes to the members of the group, and returns the first refusal
// that is not accepted.
func (d *Directory) writeAll(ctx context.Context, id string, requests []request, accept func(answer) bool) error {
	answers, err := d.graph.all(ctx, requests)
	if err != nil {
		return err
	}
	for _, got := range answers {
		switch err := got.err(); {
		case err == nil, accept(got):
		case isYoung(got):
			return d.young(ctx, id, got)
		default:
			return err
		}
	}
	return nil
}

// WithGroup calls do with the group's id: the one that the step knows, else the
// one this driver made, else that of our group of the name. It returns the id.
func (d *Directory) WithGroup(ctx context.Context, scope driver.Scope, known, name string, do func(id string) error) (string, error) {
	if known != "" {
		if !isGUID(known) {
			return "", fmt.Errorf("azure: %w: %q is not the id of a group", fault.ErrInvalid, known)
		}
		return known, do(known)
	}
	if id := d.made.Get(scope.Mark, name); id != "" {
		err := do(id)
		if !errors.Is(err, fault.ErrNotFound) {
			return id, err
		}
		d.made.Forget(scope.Mark, name) // somebody may have removed it since
	}
	id, err := d.ours(ctx, scope, name)
	if err != nil {
		return "", err
	}
	return id, do(id)
}

// bringIn invites somebody whom the directory does not know. Whoever it knows, by
// whatever state, is not invited again: that would mail them again.
func (d *Directory) bringIn(ctx context.Context, _ driver.Scope, step plan.Step) (string, error) {
	who := step.Want.Account
	switch {
	case d.invite == nil || d.invite.RedirectURL == "":
		return "", fmt.Errorf("azure: %w: nobody is invited without replication.b2bUserInvitation", fault.ErrUnsupported)
	case !strings.Contains(who.Name, "@"):
		// A guest is found again by the address that the invitation went to.
		return "", fmt.Errorf("azure: %w: only an account that is a mail address can be invited", fault.ErrInvalid)
	}
	known, err := d.Resolve(ctx, []string{who.Name})
	if err != nil {
		return "", err
	}
	switch known[0].Found {
	case access.No:
		return d.sendInvitation(ctx, *who)
	case access.Ambiguous:
		return "", fmt.Errorf("azure: %w: several accounts have this address", fault.ErrConflict)
	default:
		return known[0].Refs[0], nil
	}
}

// invitationBody asks for an invitation. An empty DisplayName leaves the name to Entra.
type invitationBody struct {
	DisplayName string `json:"invitedUserDisplayName,omitempty"`
	Address     string `json:"invitedUserEmailAddress"`
	RedirectURL string `json:"inviteRedirectUrl"`
	SendMail    bool   `json:"sendInvitationMessage"`
}

// sendInvitation returns the id of the new guest
// (https://learn.microsoft.com/graph/api/invitation-post).
func (d *Directory) sendInvitation(ctx context.Context, who access.Newcomer) (string, error) {
	got, err := d.graph.do(ctx, newRequest("POST /invitations", "/invitations", invitationBody{
		DisplayName: strings.TrimSpace(who.FirstName + " " + who.LastName), Address: who.Name,
		RedirectURL: d.invite.RedirectURL, SendMail: d.invite.SendMail,
	}))
	if err != nil {
		return "", err
	}
	var made struct {
		User entry `json:"invitedUser"`
	}
	err = decode(got, &made, func() bool { return made.User.ID != "" })
	return made.User.ID, err
}

// groupRef is the id of the group whose members the step changes, if known.
func groupRef(step plan.Step) string {
	for _, o := range []plan.Object{step.Want, step.Have} {
		if o.Members != nil && o.Members.GroupRef != "" {
			return o.Members.GroupRef
		}
	}
	return ""
}
