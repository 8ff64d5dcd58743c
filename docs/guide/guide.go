// Package guide holds the user's guide, for tuner help TOPIC.
package guide

import (
	"embed"
	"errors"
	"io/fs"
	"slices"
	"strings"
)

//go:embed *.md
var pages embed.FS

// Topic is a page of the guide.
type Topic struct {
	// Name is the file's name without its extension.
	Name string
	// Title is the page's first heading.
	Title string
	Text  string
}

// Topics returns all pages by name.
func Topics() ([]Topic, error) {
	files, err := fs.Glob(pages, "*.md")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var out []Topic
	for _, f := range files {
		t, err := Page(strings.TrimSuffix(f, ".md"))
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// Page returns a page by its name; fs.ErrNotExist if there is none.
func Page(name string) (Topic, error) {
	if name == "" || strings.ContainsAny(name, `/\`) {
		return Topic{}, fs.ErrNotExist
	}
	b, err := pages.ReadFile(name + ".md")
	if err != nil {
		if errors.Is(err, fs.ErrInvalid) {
			err = fs.ErrNotExist
		}
		return Topic{}, err
	}
	t := Topic{Name: name, Title: name, Text: string(b)}
	for line := range strings.Lines(t.Text) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			t.Title = strings.TrimSpace(title)
			break
		}
	}
	return t, nil
}
