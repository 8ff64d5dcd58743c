package space_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

const openText = `{"parameters":[{"name":"kind","type":"categorical","choices":["a","b"]},` +
	`{"name":"rate","type":"float","low":0.001,"high":1.0,"scale":"log","dynamic":true}],"open":true}`

func openSpace(t *testing.T) *space.Space {
	t.Helper()
	s, err := space.Parse([]byte(openText))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpenSpacesReadBack(t *testing.T) {
	s := openSpace(t)
	if s.String() != openText || !s.Open() || !s.Dynamic() {
		t.Errorf("it reads back as %s", s)
	}
	empty, err := space.Parse([]byte(`{"parameters":[],"open":true}`))
	if err != nil || empty.Len() != 0 || !empty.Open() || empty.Dynamic() {
		t.Errorf("an empty open space: %v, %v", empty, err)
	}
	closed, err := space.Parse([]byte(`{"parameters":[{"name":"kind","type":"categorical","choices":["a","b"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if d := closed.Diff(s, nil); len(d) != 2 || !strings.Contains(strings.Join(d, "\n"), "open: false → true") {
		t.Errorf("the difference is %q", d)
	}
}

func TestWhatDynamicParametersCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		strings.Replace(openText, `,"open":true`, "", 1):                                                                      `space.rate.dynamic: only an open space`,
		strings.Replace(openText, `"dynamic"`, `"when":{"param":"kind","in":["a"]},"dynamic"`, 1):                             `space.rate.when: the program decides`,
		strings.Replace(openText, `],"open"`, `],"constraints":["rate < 0.5"],"open"`, 1):                                     `space.constraints[0]: the constraint names rate`,
		strings.Replace(openText, `"choices":["a","b"]`, `"choices":["a","b"],"when":{"param":"rate","range":[0.5,null]}`, 1): `space.kind.when: the condition names rate`,
		strings.Replace(openText, `"open":true`, `"open":1`, 1):                                                               `space.open: it is 1, not true or false`,
	} {
		if _, err := space.Parse([]byte(text)); types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %s", text, err, want)
		}
	}
}

// Points may lack what is dynamic, and nothing else.
func TestPointsOfOpenSpaces(t *testing.T) {
	s := openSpace(t)
	for _, p := range []space.Point{{"a", 0.5}, {"b", nil}} {
		if err := s.Validate(p); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
	for _, p := range []space.Point{{nil, 0.5}, {"a", 2.0}} {
		if s.Validate(p) == nil {
			t.Errorf("%v is valid", p)
		}
	}
	if p := s.Sample(rand.New(rand.NewPCG(1, 2))); p[0] == nil || p[1] == nil {
		t.Errorf("a draw of all is %v", p)
	}
	if p := s.Declared(space.Point{"a", 0.5}); !slices.Equal(p, space.Point{"a", nil}) {
		t.Errorf("declared of it is %v", p)
	}
}

func TestExtendedSpaces(t *testing.T) {
	s := openSpace(t)
	depth, err := space.ParseNamed([]byte(`{"name":"depth","type":"int","low":1,"high":9}`))
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.Extend(depth)
	if err != nil || !next.Param(2).Dynamic || next.Len() != 3 || s.Len() != 2 {
		t.Fatalf("%v, %v", next, err)
	}
	if p, ok := next.Translate(s, space.Point{"a", 0.5}); !ok || !slices.Equal(p, space.Point{"a", 0.5, nil}) {
		t.Errorf("an earlier point is %v, %v", p, ok)
	}
	if _, err := next.Extend(depth); types.CodeOf(err) != types.Invalid {
		t.Errorf("the same name again: %v", err)
	}
	declared, err := space.Parse([]byte(`{"parameters":[{"name":"kind","type":"categorical","choices":["a","b","c"]}],"open":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if w, err := declared.WithDynamicOf(next); err != nil || w.Len() != 3 || w.Index("depth") < 0 {
		t.Errorf("with what was drawn it is %v, %v", w, err)
	}
}

func TestAgreement(t *testing.T) {
	s, err := space.Parse([]byte(`{"parameters":[
		{"name":"f","type":"float","low":0.0,"high":1.0,"prior":{"mean":0.5,"sd":0.1},"default":0.5},
		{"name":"o","type":"ordinal","choices":[{"value":1,"text":"001"},2],"when":{"param":"f","range":[0.5,null]}},
		{"name":"c","type":"constant","choices":[0.25]},
		{"name":"d","type":"bool","dynamic":true}],"open":true}`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"name":"f","type":"float","low":0.0,"high":1.0}`:            "",
		`{"name":"f","type":"float","low":0,"high":1,"default":0.25}`: "",
		`{"name":"o","type":"categorical","choices":[1,2]}`:           "",
		`{"name":"c","type":"float","low":0.0,"high":1.0}`:            "",
		`{"name":"d","type":"bool"}`:                                  "",
		`{"name":"f","type":"float","low":0.5,"high":2.0}`:            "low 0.0 → 0.5, high 1.0 → 2.0",
		`{"name":"f","type":"int","low":0,"high":1}`:                  "type float → int",
		`{"name":"f","type":"float","low":0.0,"high":1.0,"step":0.5}`: "step none → 0.5",
		`{"name":"o","type":"categorical","choices":[1,3]}`:           "choices 1, 2 → 1, 3",
		`{"name":"c","type":"float","low":0.5,"high":1.0}`:            "0.25",
		`{"name":"d","type":"categorical","choices":["yes","no"]}`:    "type bool → categorical",
		`{"name":"f","type":"float","low":1.0,"high":0.0}`:            "space.f",
	} {
		p, err := space.ParseNamed([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Agrees(s.Index(p.Name), p)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
