package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/docs/guide"
)

// topicNames are short names of pages of the guide.
var topicNames = map[string]string{"contract": "process-contract"}

// helpCommand explains a command, or prints a page of the guide.
func helpCommand(st *State) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Explain a command, or print a page of the guide",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return rootHelp(c.Root(), st)
			}
			cmd, rest, err := c.Root().Find(args)
			if err == nil && cmd != c.Root() && len(rest) == 0 {
				cmd.InitDefaultHelpFlag()
				return cmd.Help()
			}
			page, err := guide.Page(orDefault(topicNames[args[0]], args[0]))
			if errors.Is(err, fs.ErrNotExist) {
				return noTopic(c.Root(), args)
			}
			if err != nil {
				return err
			}
			return st.printing(func(w *bufio.Writer) error {
				_, err := w.WriteString(plainPage(page.Text, terminalWidth(st.Stdout)))
				return err
			})
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return append(commandNames(c.Root()), topics()...), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// rootHelp prints the help of the program and the topics of the guide.
func rootHelp(root *cobra.Command, st *State) error {
	if err := root.Help(); err != nil {
		return err
	}
	pages, err := guide.Topics()
	if err != nil {
		return err
	}
	rows := [][]string{}
	for _, p := range pages {
		name := p.Name
		for short, long := range topicNames {
			if long == name {
				name = short
			}
		}
		rows = append(rows, []string{"  " + name, p.Title})
	}
	return st.printing(func(w *bufio.Writer) error {
		fmt.Fprintln(w, "\nTopics (tuner help TOPIC):")
		table(w, rows)
		return nil
	})
}

func commandNames(root *cobra.Command) []string {
	var out []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			out = append(out, c.Name())
		}
	}
	return out
}

// topics are the names of the pages, the short ones where there are such.
func topics() []string {
	pages, err := guide.Topics()
	if err != nil {
		return nil
	}
	var out []string
	for _, p := range pages {
		name := p.Name
		for short, long := range topicNames {
			if long == name {
				name = short
			}
		}
		out = append(out, name)
	}
	return out
}

func noTopic(root *cobra.Command, args []string) error {
	known := append(commandNames(root), topics()...)
	e := usagef("there is no command or topic %q", strings.Join(args, " "))
	if s := suggestName(args[0], known); s != "" {
		return e.WithRemedy("%s", s)
	}
	return e.WithRemedy("topics are %s; tuner help lists the commands", strings.Join(topics(), ", "))
}
