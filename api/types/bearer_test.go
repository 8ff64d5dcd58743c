package types

import (
	"strings"
	"testing"
)

func TestBearer(t *testing.T) {
	for _, ref := range []AttemptRef{{1, 0, 1, "a"}, {9007199254740993, 123456, 17, "0f.3-_"}} {
		text := ref.Bearer()
		if got, ok := ParseBearer(text); !ok || got != ref || !IsAttemptBearer(text) || strings.ContainsAny(text, " \n") {
			t.Errorf("%+v: %q is read as %+v, %v", ref, text, got, ok)
		}
	}
	for _, text := range []string{"", "tna_", "tna_1.2.3", "tna_1.2.3.", "tna_0.2.3.x", "tna_1.-2.3.x", "tna_1.2.0.x", "tna_01.2.3.x", "tna_+1.2.3.x", "tnr_1.2.3.x", "1.2.3.x"} {
		if got, ok := ParseBearer(text); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
