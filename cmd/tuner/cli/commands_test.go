package cli

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var updateCommands = flag.Bool("update-commands", false, "write docs/guide/commands.md")

// The page of all commands is what the program itself says of them.
func TestCommandsPageIsCurrent(t *testing.T) {
	const path = "../../../docs/guide/commands.md"
	want := commandsPage(newRoot(&State{}))
	if *updateCommands {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("docs/guide/commands.md (+) is not what the commands say (-); go test ./cmd/tuner/cli -run CommandsPage -update-commands:\n%s", d)
	}
}

func commandsPage(root *cobra.Command) string {
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString("# Commands\n\nAs `tuner help COMMAND` prints them. Exit codes: 0 done, 1 internal, 2 usage, 3 no trial completed, 4 stopped by failures, 130 interrupted.\n")
	fmt.Fprintf(&b, "\n## All commands\n\n```\n%s```\n", root.PersistentFlags().FlagUsages())
	for _, c := range root.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		commandSection(&b, c)
		for _, sub := range c.Commands() {
			commandSection(&b, sub)
		}
	}
	return b.String()
}

func commandSection(b *strings.Builder, c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(b, "\n## %s\n\n```\n%s\n\nUsage: %s\n", c.CommandPath(), strings.TrimSpace(text), c.UseLine())
	if c.Example != "" {
		fmt.Fprintf(b, "\nExample:\n%s\n", c.Example)
	}
	if f := c.LocalNonPersistentFlags(); f.HasFlags() {
		fmt.Fprintf(b, "\n%s", f.FlagUsages())
	}
	b.WriteString("```\n")
}
