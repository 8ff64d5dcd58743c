package space

import (
	"os"
	"strings"
	"testing"
)

// The space and the faults that the guide shows are real ones.
func TestGuide(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/space.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```")
	if len(blocks) != 5 {
		t.Fatalf("%d blocks of code, want 2", len(blocks)/2)
	}
	mustParse(t, strings.TrimPrefix(blocks[1], "json"))
	_, err = New([]Parameter{scaled(float("lr", 0.0, 0.1), Log), step(float("drop", 0.0, 1.0), 0.3)}, nil)
	if err == nil || !strings.HasSuffix(err.Error(), blocks[3][:len(blocks[3])-1]) {
		t.Errorf("the guide shows%s\nthe error is %v", blocks[3], err)
	}
}
