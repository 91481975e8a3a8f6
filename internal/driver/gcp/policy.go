package gcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/api/cloudresourcemanager/v3"
	"google.golang.org/api/googleapi"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// policy is a project's policy as it came: each field that is not changed goes
// back as it was, also those that no client knows.
type policy struct {
	fields   map[string]json.RawMessage
	bindings []entry
}

// entry is one binding of a policy: a role, under a condition or without, and who
// has it.
type entry struct {
	fields  map[string]json.RawMessage
	role    string
	members []string
	// name is empty without a condition, and else the condition's title with a sum
	// of its text.
	name       string
	expression string
}

// parsePolicy reads a policy. One without an etag is none: an empty answer is no
// empty policy.
func parsePolicy(text []byte) (*policy, error) {
	const operation = "projects.getIamPolicy"
	p := &policy{}
	var etag string
	if json.Unmarshal(text, &p.fields) != nil || json.Unmarshal(p.fields["etag"], &etag) != nil || etag == "" {
		return nil, unreadable(operation, "etag")
	}
	var rows []map[string]json.RawMessage
	if raw, some := p.fields["bindings"]; some && json.Unmarshal(raw, &rows) != nil {
		return nil, unreadable(operation, "bindings")
	}
	for _, row := range rows {
		e, err := parseEntry(row)
		if err != nil {
			return nil, err
		}
		p.bindings = append(p.bindings, e)
	}
	return p, nil
}

func parseEntry(row map[string]json.RawMessage) (entry, error) {
	const operation = "projects.getIamPolicy"
	e := entry{fields: row}
	if json.Unmarshal(row["role"], &e.role) != nil || e.role == "" {
		return e, unreadable(operation, "bindings.role")
	}
	if raw, some := row["members"]; some && json.Unmarshal(raw, &e.members) != nil {
		return e, unreadable(operation, "bindings.members")
	}
	if raw, some := row["condition"]; some && !bytes.Equal(raw, []byte("null")) {
		var err error
		e.name, e.expression, err = parseCondition(raw)
		return e, err
	}
	return e, nil
}

// parseCondition returns how a binding under the condition is called, and the
// condition's text.
func parseCondition(raw json.RawMessage) (name, expression string, err error) {
	var c struct {
		Title       string `json:"title"`
		Description string `json:"description"`
		Expression  string `json:"expression"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return "", "", unreadable("projects.getIamPolicy", "bindings.condition")
	}
	sum := sha256.Sum256([]byte(c.Expression + "\x00" + c.Title + "\x00" + c.Description))
	const digits = 4 // bytes: nobody has that many conditions of one title on one role
	return c.Title + "#" + hex.EncodeToString(sum[:digits]), c.Expression, nil
}

// grant is what one step asks of the policy: that a principal has a role, or does
// not have it.
type grant struct {
	role, name, member string
	give               bool
}

// knows reports whether the policy has an entry of the grant's role and condition.
func (p *policy) knows(g grant) bool {
	return slices.ContainsFunc(p.bindings, func(e entry) bool { return e.role == g.role && e.name == g.name })
}

// make changes the policy so that the grant is as wanted, and reports whether
// that took a change. A condition's entry gains a member only where somebody's role
// is carried over to another group, and is never made here, see knows.
func (p *policy) make(g grant) bool {
	i := slices.IndexFunc(p.bindings, func(e entry) bool {
		return e.role == g.role && e.name == g.name && (g.give || e.has(g.member))
	})
	switch {
	case !g.give && i < 0:
		return false
	case !g.give:
		e := &p.bindings[i]
		e.members = slices.DeleteFunc(slices.Clone(e.members), func(m string) bool { return sameEmail(m, g.member) })
		if len(e.members) == 0 {
			p.bindings = slices.Delete(p.bindings, i, i+1)
		}
		p.make(g) // policies may have one role twice
		return true
	case i < 0:
		p.bindings = append(p.bindings, entry{fields: map[string]json.RawMessage{}, role: g.role, members: []string{g.member}})
		return true
	case p.bindings[i].has(g.member):
		return false
	default:
		p.bindings[i].members = append(slices.Clone(p.bindings[i].members), g.member)
		return true
	}
}

// has reports whether a group is a member. Addresses ignore case.
func (e entry) has(group string) bool {
	return slices.ContainsFunc(e.members, func(m string) bool { return sameEmail(m, group) })
}

// encode is the policy as it goes back.
func (p *policy) encode() ([]byte, error) {
	rows := make([]map[string]json.RawMessage, len(p.bindings))
	for i, e := range p.bindings {
		row := make(map[string]json.RawMessage, len(e.fields)+1)
		maps.Copy(row, e.fields)
		var err error
		if row["members"], err = plain(e.members); err != nil {
			return nil, err
		}
		if row["role"], err = plain(e.role); err != nil {
			return nil, err
		}
		rows[i] = row
	}
	fields := make(map[string]json.RawMessage, len(p.fields)+1)
	maps.Copy(fields, p.fields)
	var err error
	if fields["bindings"], err = plain(rows); err != nil {
		return nil, err
	}
	// The mask keeps what is not changed here out of the write; the policy goes
	// whole nevertheless, for the fields that masks know as little as we do.
	return plain(map[string]any{"policy": fields, "updateMask": "bindings,etag,version"})
}

// plain encodes without spelling characters differently from how they came.
func plain(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("gcp: %w: a policy cannot be written: %w", fault.ErrInvalid, err)
	}
	return bytes.TrimSpace(text.Bytes()), nil
}

// readPolicy reads the policy of a project, with its conditions. A project that
// is not there is fault.ErrNotFound.
func (a *api) readPolicy(ctx context.Context, project string) (*policy, error) {
	const operation = "projects.getIamPolicy"
	answer, err := a.post(ctx, operation, project, []byte(`{"options":{"requestedPolicyVersion":3}}`))
	if err == nil {
		return parsePolicy(answer)
	}
	if again := a.missing(ctx, project, err); again != nil {
		return nil, again
	}
	return nil, fmt.Errorf("gcp: project %s: %w: there is no such project, or it is being deleted", project, fault.ErrNotFound)
}

// writePolicy writes it, unless it has moved: that is fault.ErrConflict.
func (a *api) writePolicy(ctx context.Context, project string, p *policy) error {
	body, err := p.encode()
	if err == nil {
		_, err = a.post(ctx, "projects.setIamPolicy", project, body)
	}
	return err
}

// post makes a call whose JSON is wanted as it is.
func (a *api) post(ctx context.Context, operation, project string, body []byte) (answer []byte, err error) {
	_, method, _ := strings.Cut(operation, ".")
	err = call(ctx, operation, func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.policyBase+"v3/projects/"+project+":"+method, bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		response, err := a.policies.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if err := googleapi.CheckResponse(response); err != nil {
			return err
		}
		answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		return err
	})
	return answer, err
}

// missing returns nil where a refusal means that the project is not there: others
// can be seen, and it cannot. Resource Manager answers 403 for what does not
// exist. Any other error is returned as it came.
func (a *api) missing(ctx context.Context, project string, refusal error) error {
	if !isDenied(refusal) {
		return refusal
	}
	query := "projectId:" + project
	if number(project) {
		query = "" // there is no search by number
	}
	active, some := false, false
	err := a.eachProject(ctx, query, func(p *cloudresourcemanager.Project) {
		some = true
		same := p.ProjectId == project || p.Name == "projects/"+project
		active = active || same && p.State == "ACTIVE"
	})
	if err == nil && !some && query != "" {
		err = a.eachProject(ctx, "", func(*cloudresourcemanager.Project) { some = true })
	}
	switch {
	case err != nil:
		return err
	case active, !some: // who sees no project at all sees nothing missing
		return refusal
	default:
		return nil
	}
}

// eachProject searches for projects that may be seen.
func (a *api) eachProject(ctx context.Context, query string, do func(*cloudresourcemanager.Project)) error {
	_, err := pages(ctx, "projects.search", func(ctx context.Context, token string) (string, error) {
		search := a.manager.Projects.Search().PageSize(projectPage).PageToken(token).Context(ctx)
		if query != "" {
			search = search.Query(query)
		}
		answer, err := search.Do()
		if err != nil {
			return "", err
		}
		for _, p := range answer.Projects {
			do(p)
		}
		return answer.NextPageToken, nil
	})
	return err
}
