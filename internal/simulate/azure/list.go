package azure

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// object is a directory object as Graph shows it.
type object interface {
	// kind is "user", "group" and so on.
	kind() string
	id() string
	// property returns a property and whether there is one of that name.
	property(name string) (any, bool)
	// usual are the properties that Graph returns unasked.
	usual() []string
}

// selected returns the properties that $select names, or else the usual ones.
func (c *call) selected(o object) (map[string]any, error) {
	names := o.usual()
	if list := c.query.Get("$select"); list != "" {
		names = strings.Split(list, ",")
	}
	chosen := make(map[string]any, len(names))
	for _, name := range names {
		name = strings.TrimSpace(name)
		value, ok := o.property(name)
		if !ok {
			return nil, badOData("Parsing OData Select and Expand failed: "+
				"Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, o.kind())
		}
		chosen[name] = value
	}
	return chosen, c.expand(o, chosen)
}

// mark is where a list goes on, as $skiptoken holds it.
type mark struct {
	After string    `json:"a"`
	List  string    `json:"l"`
	At    time.Time `json:"t"`
}

// goneAfter is how long a page's link is good. Graph documents no time.
const goneAfter = time.Hour

func (m mark) token() string {
	body, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(body)
}

// mark reads $skiptoken.
func (c *call) mark(list string) (mark, error) {
	raw := c.query.Get("$skiptoken")
	if raw == "" {
		return mark{List: list}, nil
	}
	var m mark
	body, err := base64.RawURLEncoding.DecodeString(raw)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil || m.List != list {
		return mark{}, badRequest("Specified page token value is invalid.")
	}
	if c.now.Sub(m.At) > goneAfter {
		return mark{}, &graphError{status: http.StatusBadRequest, code: "Directory_ExpiredPageToken",
			message: "Specified page token value has expired and can no longer be included in your request."}
	}
	return m, nil
}

// refuseOptions refuses the query options that a request cannot have.
func (c *call) refuseOptions(allowed ...string) error {
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		if !strings.HasPrefix(name, "$") || slices.Contains(allowed, name) {
			continue
		}
		switch name {
		case "$search":
			if !c.eventual() {
				return unsupported("Request with $search query parameter only works through MSGraph with a special request header: " +
					"'ConsistencyLevel: eventual'")
			}
			return unsupported("The simulated Graph has no $search.")
		case "$skip", "$filter", "$orderby", "$expand", "$top", "$count", "$select", "$skiptoken", "$deltatoken":
			return badRequest("'%s' is not supported by the service.", name)
		default:
			return badOData("The query parameter '%s' is not supported.", name)
		}
	}
	return nil
}

// eventual is true where the caller takes answers that lag.
func (c *call) eventual() bool {
	return strings.EqualFold(c.r.Header.Get("Consistencylevel"), "eventual")
}

// list answers with a page of objects, filtered. The objects are in the order of
// their ids. set names the collection in the metadata, typed adds each one's type.
func (c *call) list(set string, all []object, typed bool) (answer, error) {
	size, err := c.listOptions(set)
	if err != nil {
		return answer{}, err
	}
	from, err := c.mark(c.r.URL.Path)
	if err != nil {
		return answer{}, err
	}
	counted := c.advanced()
	if all, err = filter(c.query.Get("$filter"), set, counted, all); err != nil {
		return answer{}, err
	}
	body := map[string]any{"@odata.context": c.context(set)}
	if counted && from.After == "" {
		body["@odata.count"] = len(all)
	}
	rest := all
	if from.After != "" {
		rest = slices.DeleteFunc(slices.Clone(all), func(o object) bool { return o.id() <= from.After })
	}
	if len(rest) > size {
		rest = rest[:size]
		body["@odata.nextLink"] = c.next(mark{After: rest[size-1].id(), List: c.r.URL.Path, At: c.now})
	}
	body["value"], err = c.rows(rest, typed)
	return answer{http.StatusOK, body}, err
}

// listOptions checks the query of a list and returns the size of a page.
func (c *call) listOptions(set string) (int, error) {
	options := []string{"$filter", "$select", "$top", "$count", "$skiptoken"}
	if set == "groups" && !c.eventual() { // advanced queries have no $expand
		options = append(options, "$expand")
	}
	if err := c.refuseOptions(options...); err != nil {
		return 0, err
	}
	if err := c.known(set); err != nil {
		return 0, err
	}
	return c.top()
}

// rows are objects as a list shows them.
func (c *call) rows(all []object, typed bool) ([]any, error) {
	rows := make([]any, len(all))
	for i, o := range all {
		row, err := c.selected(o)
		if err != nil {
			return nil, err
		}
		if typed {
			row["@odata.type"] = "#microsoft.graph." + o.kind()
		}
		rows[i] = row
	}
	return rows, nil
}

// known refuses properties that no object of the collection has, before there is
// one to look at.
func (c *call) known(set string) error {
	var sample object
	switch set {
	case "users":
		sample = User{}
	case "groups":
		sample = Group{}
	case "servicePrincipals":
		sample = principal{&application{}}
	default:
		sample = mixed{User{}}
	}
	_, err := c.selected(sample)
	return err
}

// next is the link to the page after this one, with the caller's own query.
func (c *call) next(m mark) string {
	query := maps.Clone(c.query)
	query["$skiptoken"] = []string{m.token()}
	return c.base + c.r.URL.EscapedPath() + "?" + query.Encode()
}

// objects sorts directory objects by id.
func objects[T object](all []T) []object {
	list := make([]object, len(all))
	for i, o := range all {
		list[i] = o
	}
	slices.SortFunc(list, func(a, b object) int { return strings.Compare(a.id(), b.id()) })
	return list
}
