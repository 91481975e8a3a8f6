package api

import (
	"errors"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// restarts is how often a list is restart again that changes while its pages are read.
const restarts = 4

// eachPage reads all pages of a list. If the list is gone in between, it begins again.
func eachPage[T any](read func(PageRequest) ([]T, string, error)) ([]T, error) {
	for restart := 0; ; restart++ {
		all, err := readPages(read)
		if control.CodeOf(err) != control.Expired || restart == restarts {
			return all, err
		}
	}
}

// readPages reads the pages of a list as it is now.
func readPages[T any](read func(PageRequest) ([]T, string, error)) ([]T, error) {
	page := PageRequest{PageSize: maxPage}
	var all []T
	for {
		items, next, err := read(page)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = items
		} else {
			all = append(all, items...)
		}
		switch next {
		case "":
			return all, nil
		case page.PageToken:
			return nil, errors.New("api: a page of the server leads to itself")
		}
		page.PageToken = next
	}
}

func allPages[T any](read func(PageRequest) (List[T], error)) ([]T, error) {
	return eachPage(func(page PageRequest) ([]T, string, error) {
		list, err := read(page)
		return list.Items, list.NextPageToken, err
	})
}

func documentPages(read func(PageRequest) (DocumentList, error)) ([]document.Document, error) {
	return eachPage(func(page PageRequest) ([]document.Document, string, error) {
		list, err := read(page)
		return list.Documents, list.NextPageToken, err
	})
}
