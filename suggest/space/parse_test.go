package space

import (
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		nested,
		`{"parameters":[]}`,
		`{"parameters":[{"name":"lr","type":"float","low":1e-05,"high":0.1,"scale":"log","default":0.01,"prior":{"mean":-3.0,"sd":1},"grid":5}],"constraints":["lr < 0.05"]}`,
		`{"parameters":[{"name":"n","type":"int","low":-9223372036854775808,"high":9223372036854775807,"step":5}]}`,
		`{"parameters":[{"name":"d","type":"float","low":0,"high":0.8,"step":0.1,"scale":"linear"},{"name":"r","type":"float","low":0.1,"high":0.9,"scale":"reverse-log"}]}`,
		`{"parameters":[{"name":"c","type":"ordinal","choices":[1,"1",{"value":2.5,"text":"2.50"},true]},{"name":"k","type":"constant","choices":["x\u0000"]}]}`,
		`{"parameters":[{"name":"a","type":"bool","when":{"all":[{"param":"b","in":[1]},{"not":{"param":"b","range":[2,null]}}]}},{"name":"b","type":"int","low":1,"high":3}]}`,
		`{"parameters":[{"name":"\ud800","type":"bool","choices":[true,false]}]}`,
		`{"parameters":[{"name":"a","type":"float","low":-1e308,"high":1.7e308,"step":1e300},{"name":"a","when":null}]}`,
		`{"parameters":[1,null,{}],"constraints":[null,"a"],"x":1}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse([]byte(text))
		if err != nil {
			if strings.Contains(err.Error(), "%!") && !strings.Contains(text, "%") {
				t.Errorf("%s: %v", text, err)
			}
			return
		}
		again, err := Parse(s.AppendJSON(nil))
		if err != nil || again.String() != s.String() {
			t.Fatalf("%s is read back as %s, %v", s, again, err)
		}
		if d := s.Diff(again, nil); d != nil {
			t.Fatalf("%s differs from itself: %q", s, d)
		}
		r := source(1)
		for _, p := range []Point{s.Sample(r), s.Decode(make([]float64, s.Len()))} {
			q, err := s.FromParams(s.Params(p))
			if err != nil || s.Key(q) != s.Key(p) {
				t.Fatalf("%s: %v is read back as %v, %v", s, p, q, err)
			}
			if s.Feasible(p) != (s.Validate(p) == nil) {
				t.Fatalf("%s: %v: %v", s, p, s.Validate(p))
			}
			x := make([]float64, s.Len())
			s.Encode(p, x, nil)
			s.Decode(x)
		}
		s.Size()
		for range s.Neighbours(s.Sample(r)) {
			break
		}
		if n, ok := s.GridSize(2); ok && n < 10_000 { // else constraints could let it run for ever
			for p := range s.Enumerate(2) {
				if err := s.Validate(p); err != nil {
					t.Fatalf("%s: %v: %v", s, p, err)
				}
			}
		}
	})
}

func TestParseParameter(t *testing.T) {
	p, err := ParseParameter([]byte(`{"type":"categorical","choices":["http://a:80","x,y"]}`), "url")
	if err != nil {
		t.Fatal(err)
	}
	if got := mustNew(t, []Parameter{p}).String(); got != `{"parameters":[{"name":"url","type":"categorical","choices":["http://a:80","x,y"]}]}` {
		t.Error(got)
	}
	_, err = ParseParameter([]byte(`{"name":"uri","type":"bool"}`), "url")
	checkFault(t, err, "space.url.name", `it is named "uri", but stands under the name "url"`)
	_, err = ParseParameter([]byte(`[1,2]`), "url")
	checkFault(t, err, "space.url", "it is [1,2], not a JSON object")
}
