package aws

import (
	"encoding/base64"
	"strings"
)

// The longest pages: of SSO Admin and Identity Store, and of Organizations.
const (
	maxPage     = 100
	maxAccounts = 20
)

// paging is what every list takes.
type paging struct {
	most  *int
	token *string
}

// page cuts the entries, which are in the order of their keys, to the page that
// is asked for, and returns the token of the one behind it, or nil. kind keeps
// the token of one list from being used with another.
func page[T any](s *Server, kind string, most int, ask paging, entries []T, key func(T) string) ([]T, *string, *refusal) {
	if s.options.Page > 0 {
		most = min(most, s.options.Page)
	}
	if ask.most != nil {
		most = min(most, *ask.most)
	}
	after := ""
	if ask.token != nil && *ask.token != "" {
		text, err := base64.URLEncoding.DecodeString(*ask.token)
		rest, ok := strings.CutPrefix(string(text), kind+":")
		if err != nil || !ok {
			return nil, nil, refuse(validation, "Invalid NextToken.")
		}
		after = rest
	}
	result := []T{}
	for _, e := range entries {
		if key(e) <= after {
			continue
		}
		if len(result) == most {
			next := base64.URLEncoding.EncodeToString([]byte(kind + ":" + key(result[most-1])))
			return result, &next, nil
		}
		result = append(result, e)
	}
	return result, nil, nil
}
