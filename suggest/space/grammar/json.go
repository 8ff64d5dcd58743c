package grammar

import (
	"encoding/json"
	"strings"

	"github.com/gotuner/tuner/suggest/space"
)

// json reads what stands behind := — an object is the canonical form of a
// parameter, a list has choices, and anything else is a constant.
func (a *argument) json(text string) (space.Parameter, error) {
	text = strings.TrimSpace(text)
	if !json.Valid([]byte(text)) {
		return space.Parameter{}, a.fault("%s is no valid JSON", text).
			WithRemedy(`put it in quotes, as in '%s:=["a","b"]', or write %s= without the colon`, a.name, a.name)
	}
	switch text[0] {
	case '{':
		return space.ParseParameter([]byte(text), a.name)
	case '[':
	default:
		text = "[" + text + "]"
	}
	p, err := space.ParseParameter([]byte(`{"type":"categorical","choices":`+text+`}`), a.name)
	if err != nil {
		return p, err
	}
	p.Kind = kindOf(p.Choices)
	return p, nil
}
