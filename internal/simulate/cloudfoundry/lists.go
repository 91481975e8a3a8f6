package cloudfoundry

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// maxPerPage is the most entries a page may be asked to have.
const maxPerPage = 5000

// query is the parameters of a list.
type query struct {
	values        url.Values
	page, perPage int
}

// list reads the parameters of a list, of which those named are known besides
// the ones of every list. It answers where they are wrong.
func (s *Server) list(w http.ResponseWriter, r *http.Request, names ...string) (query, bool) {
	q := query{values: r.URL.Query(), page: 1, perPage: 50}
	var unknown []string
	for name := range q.values {
		if !slices.Contains(append(names, "page", "per_page", "order_by"), name) {
			unknown = append(unknown, "'"+name+"'")
		}
	}
	var wrong []string
	if len(unknown) > 0 {
		slices.Sort(unknown)
		wrong = append(wrong, fmt.Sprintf("Unknown query parameter(s): %s. Valid parameters are: '%s'",
			strings.Join(unknown, ", "), strings.Join(names, "', '")))
	}
	number := func(name string, into *int, most int, text string) {
		if !q.values.Has(name) {
			return
		}
		n, err := strconv.Atoi(q.values.Get(name))
		if err != nil || n < 1 || n > most {
			wrong = append(wrong, text)
			return
		}
		*into = n
	}
	number("page", &q.page, 1<<30, "Page must be a positive integer")
	number("per_page", &q.perPage, maxPerPage, "Per page must be between 1 and 5000")
	if len(wrong) > 0 {
		refuse(w, http.StatusBadRequest, 10005, "CF-BadQueryParameter", "The query parameter is invalid: "+strings.Join(wrong, ", "))
		return query{}, false
	}
	q.perPage = min(q.perPage, s.options.PageCap)
	return q, true
}

// has reports whether the filter lets the value through: it is not given, or has it.
func (q query) has(filter, value string) bool {
	return !q.values.Has(filter) || slices.Contains(strings.Split(q.values.Get(filter), ","), value)
}

// answer writes the page that was asked for. included may be nil.
func answer[T any](w http.ResponseWriter, r *http.Request, q query, all []T, show func(T) any, included func([]T) any) {
	pages := max(1, (len(all)+q.perPage-1)/q.perPage)
	from := min((q.page-1)*q.perPage, len(all))
	part := all[from:min(from+q.perPage, len(all))]
	to := func(page int) *link {
		if page < 1 || page > pages {
			return nil
		}
		values := r.URL.Query()
		values.Set("page", strconv.Itoa(page))
		values.Set("per_page", strconv.Itoa(q.perPage))
		return &link{Href: address(r) + r.URL.Path + "?" + values.Encode()}
	}
	body := map[string]any{"pagination": map[string]any{
		"total_results": len(all), "total_pages": pages,
		"first": to(1), "last": to(pages), "next": to(q.page + 1), "previous": to(q.page - 1),
	}}
	resources := make([]any, 0, len(part))
	for _, entry := range part {
		resources = append(resources, show(entry))
	}
	body["resources"] = resources
	if included != nil {
		body["included"] = included(part)
	}
	simulate.JSON(w, http.StatusOK, body)
}
