package collect

import (
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// FuzzRestore: whatever is stored as a cursor is refused with a reason, or makes a
// collector that goes on: it stores a cursor that says the same, and its place in
// what it reads never goes back.
func FuzzRestore(f *testing.F) {
	for _, s := range []string{
		``, `{"v":1}`, `{"v":2}`, `{"v":1,"i":true,"r":"x"}`, `{"v":1,"s":[{"n":"stdout","o":12,"k":true},{"n":"stdout","o":3}]}`,
		`{"v":1,"s":[{"n":"f","o":9223372036854775807}]}`, `{"v":1,"m":[{"n":"loss","c":3,"l":"NaN","x":4,"f":true,"o":2,"w":0.5}]}`,
		`{"v":1,"m":[{"n":"loss","c":-3,"l":1,"x":9223372036854775807,"o":-2},{"n":"","c":1},{"n":"loss","c":7}]}`, `{"v":1,"m":null} x`,
	} {
		f.Add(s, []byte("loss=1 other=2\nlo"))
	}
	f.Fuzz(func(t *testing.T, stored string, more []byte) {
		if len(stored)+len(more) > 1<<12 {
			return
		}
		for _, cfg := range cutConfigs() {
			o, err := Restore(cfg, stored)
			if err != nil {
				if code := types.CodeOf(err); code != types.Invalid && code != types.Unsupported {
					t.Fatalf("%q: %v", stored, err)
				}
				continue
			}
			first := o.cursor()
			again, err := Restore(cfg, first)
			if err != nil {
				t.Fatalf("%q becomes %q, which is refused: %v", stored, first, err)
			}
			if second := again.cursor(); second != first {
				t.Fatalf("%q becomes %q, and that %q", stored, first, second)
			}
			for range 2 {
				for _, s := range o.streams {
					o.Write(s.name, more)
				}
				o.Write("stdout", more)
				if _, cursor := o.Take(false); cursor == "" {
					t.Fatal("no cursor")
				}
			}
			for _, s := range o.streams {
				if s.read < 0 {
					t.Fatalf("%q: %s is at %d", stored, s.name, s.read)
				}
			}
			if _, err := Restore(cfg, o.cursor()); err != nil {
				t.Fatalf("%q makes a cursor that is refused: %v", stored, err)
			}
			o.Take(true)
		}
	})
}
