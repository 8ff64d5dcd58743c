package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/jsonkeys"
	"github.com/gotuner/tuner/internal/nearest"
)

// docHint is the remedy where nothing better is known.
const docHint = "GET /v1/openapi.json describes the request"

// faultFinder says in words what validation found wrong in a request: huma has
// the place and a word, the schema what should be there.
type faultFinder struct {
	op      *huma.Operation
	schemas huma.Registry
	status  int
}

// missing are huma's words for a field that has to be there, at the place that
// should have it.
var missing = regexp.MustCompile(`^expected required property (\S+) to be present$`)

// The messages of the two faults that often come together.
const (
	noField   = "there is no such field"
	isMissing = "it is missing"
)

// longestFault bounds what of a wrong value is repeated.
const longestFault = 60

func (f faultFinder) fault(d *huma.ErrorDetail) (fault types.Fault, remedy string) {
	fault, remedy = types.Fault{Field: fieldOf(d.Location), Message: d.Message}, docHint
	schema := f.at(d.Location)
	switch m := missing.FindStringSubmatch(d.Message); {
	case m != nil:
		fault.Field, fault.Message = strings.TrimPrefix(fault.Field+"."+m[1], "body."), isMissing
		remedy = "give " + fault.Field + "; " + docHint
	case d.Message == "unexpected property":
		fault.Message = noField
		remedy = f.known(d.Location)
	case d.Message == "unknown query parameter":
		fault.Message = "there is no such query parameter"
		var names []string
		for _, p := range f.op.Parameters {
			if p.In == "query" {
				names = append(names, p.Name)
			}
		}
		remedy = choose(fault.Field, names)
	case strings.HasSuffix(d.Message, ": "+jsonkeys.Twice):
		fault.Field, fault.Message = strings.TrimSuffix(d.Message, ": "+jsonkeys.Twice), jsonkeys.Twice
		remedy = jsonkeys.Remedy
	case f.status == http.StatusBadRequest:
		fault.Message = "the body is no JSON: " + d.Message
	case schema != nil && (strings.HasPrefix(d.Message, "expected ") || strings.HasPrefix(d.Message, "invalid ")):
		want := f.want(schema)
		if want == "" {
			want = strings.TrimPrefix(strings.TrimPrefix(d.Message, "expected "), "invalid ")
		}
		fault.Message = "it is " + wrong(d.Value) + ", and has to be " + want
	}
	return fault, remedy
}

// wrong is a value as it was sent.
func wrong(v any) string {
	b, err := json.Marshal(v)
	if err != nil || v == nil {
		return "not right"
	}
	if r := []rune(string(b)); len(r) > longestFault {
		return string(r[:longestFault]) + "…"
	}
	return string(b)
}

// known is the remedy for a field that there is not.
func (f faultFinder) known(location string) string {
	i := strings.LastIndexByte(location, '.')
	if i < 0 {
		return docHint
	}
	parent := f.at(location[:i])
	if parent == nil || len(parent.Properties) == 0 {
		return docHint
	}
	return choose(location[i+1:], slices.Collect(maps.Keys(parent.Properties)))
}

// choose names the one of names that was probably meant, else all.
func choose(name string, names []string) string {
	slices.Sort(names)
	switch near := nearest.Word(name, names); {
	case near != "":
		return "did you mean " + near + "? Known are " + strings.Join(names, ", ")
	case len(names) > 0:
		return "known are " + strings.Join(names, ", ")
	}
	return "leave it out"
}

// want is what a schema takes, in words; "" where they are huma's own.
func (f faultFinder) want(s *huma.Schema) string {
	switch {
	case len(s.OneOf) > 0 && s.OneOf[0].Type == huma.TypeNumber:
		return `a number, or "NaN", "Infinity" or "-Infinity"`
	case s.PatternDescription != "":
		return s.PatternDescription
	case len(s.Enum) > 0:
		return fmt.Sprintf("one of %s", strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Enum), " ", ", "), "[]"))
	}
	most := ""
	if s.Maximum != nil {
		most = " to " + strconv.FormatFloat(*s.Maximum, 'f', -1, 64)
	}
	if s.Minimum != nil {
		most = " from " + strconv.FormatFloat(*s.Minimum, 'f', -1, 64) + most
	}
	switch s.Type {
	case huma.TypeInteger:
		return "an integer" + most
	case huma.TypeNumber:
		return "a number" + most
	case huma.TypeBoolean:
		return "true or false"
	case huma.TypeObject:
		return "an object: {…}"
	case huma.TypeArray:
		if s.MinItems == nil && s.MaxItems == nil {
			return "a list: […]"
		}
	case huma.TypeString:
		if s.MinLength == nil && s.MaxLength == nil && s.Pattern == "" && s.Format == "" {
			return `text in quotes: "…"`
		}
	}
	return ""
}

// at is the schema of a place in the request, nil where there is none.
func (f faultFinder) at(location string) *huma.Schema {
	in, rest, _ := strings.Cut(location, ".")
	if in != "body" {
		name, _, _ := strings.Cut(rest, "[")
		for _, p := range f.op.Parameters {
			if p.In == in && p.Name == name {
				if s := f.resolve(p.Schema); s != nil && name != rest {
					return f.resolve(s.Items)
				}
				return f.resolve(p.Schema)
			}
		}
		return nil
	}
	if f.op.RequestBody == nil || f.op.RequestBody.Content["application/json"] == nil {
		return nil
	}
	s := f.resolve(f.op.RequestBody.Content["application/json"].Schema)
	for rest != "" && s != nil {
		var name string
		name, rest, _ = strings.Cut(rest, ".")
		name, index, list := strings.Cut(name, "[")
		switch p := s.Properties[name]; {
		case p != nil:
			s = f.resolve(p)
		default:
			more, ok := s.AdditionalProperties.(*huma.Schema)
			if !ok {
				return nil
			}
			s = f.resolve(more)
		}
		if list && index != "" && s != nil {
			s = f.resolve(s.Items)
		}
	}
	return s
}

func (f faultFinder) resolve(s *huma.Schema) *huma.Schema {
	if s != nil && s.Ref != "" {
		return f.schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// fieldOf is a place in a request as types.Error writes it.
func fieldOf(location string) string {
	for _, in := range []string{"body.", "path.", "query.", "header."} {
		if f, ok := strings.CutPrefix(location, in); ok {
			return f
		}
	}
	return location
}
