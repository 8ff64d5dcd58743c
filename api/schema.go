package api

import (
	"encoding/json"
	"io"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/jsonkeys"
)

// marshalJSON writes an answer without the escapes that only HTML needs.
func marshalJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// unmarshalJSON reads a body. huma has it read twice: first as what it is, to
// check it, and then into what the handler takes.
func unmarshalJSON(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	if _, checking := v.(*any); checking {
		return jsonkeys.Check(b)
	}
	return nil
}

// aliases tells the document what the types with a JSON form of their own are.
func aliases(r huma.Registry) {
	for _, a := range []struct{ of, is reflect.Type }{
		{reflect.TypeFor[types.Params](), reflect.TypeFor[paramsSchema]()},
		{reflect.TypeFor[types.Float](), reflect.TypeFor[floatSchema]()},
		{reflect.TypeFor[types.Duration](), reflect.TypeFor[durationSchema]()},
		{reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[types.Problem]()},
	} {
		r.RegisterTypeAlias(a.of, a.is)
	}
}

type (
	paramsSchema   struct{}
	floatSchema    struct{}
	durationSchema struct{}
)

// Schema implements huma.SchemaProvider.
func (paramsSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true,
		Description: "Values of parameters by name: integers have no point, floats always have one or an exponent; text and bools."}
}

// Schema implements huma.SchemaProvider.
func (floatSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "A number, or what JSON has no numbers for.", OneOf: []*huma.Schema{
		{Type: huma.TypeNumber, Format: "double"},
		{Type: huma.TypeString, Enum: []any{"NaN", "Infinity", "-Infinity"}},
	}}
}

// Schema implements huma.SchemaProvider.
func (durationSchema) Schema(huma.Registry) *huma.Schema {
	// What time.ParseDuration reads; time zero needs no unit.
	const pattern = `^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
	return &huma.Schema{Type: huma.TypeString, Description: "A duration such as 90s or 1h30m.", Examples: []any{"30s"},
		Pattern: pattern, PatternDescription: `a duration such as "90s" or "1h30m"`}
}
