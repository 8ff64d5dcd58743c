package cli

import (
	"slices"
	"strings"

	"github.com/gotuner/tuner/benchmarks/peers"
	"github.com/gotuner/tuner/benchmarks/runner"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/suggest/grid"
)

// The words that stand for several contenders.
const (
	ownContenders  = "own"
	peerContenders = "peers"
	allContenders  = "all"
)

// peerList are the other tuners.
func peerList(st *State) []runner.Contender {
	return peers.Contenders(peers.Config{Dir: st.Getenv("TUNER_PEERS")})
}

// ownNames are our algorithms, but for the grid, which looks at no result.
func ownNames() []string {
	return slices.DeleteFunc(builtin.Algorithms().Names(), func(n string) bool { return n == grid.Name })
}

// contenders reads a list such as "tpe:above_cap=0,startup=5,random,optuna-tpe".
// A comma is between contenders unless a setting follows it.
func contenders(st *State, text string) ([]runner.Contender, error) {
	known := peerList(st)
	var out []runner.Contender
	add := func(c runner.Contender) {
		if !slices.ContainsFunc(out, func(d runner.Contender) bool { return d.Name == c.Name }) {
			out = append(out, c)
		}
	}
	for _, word := range splitContenders(text) {
		var names []string
		switch word {
		case ownContenders:
			names = ownNames()
		case peerContenders, allContenders:
			if word == allContenders {
				names = ownNames()
			}
			for _, p := range known {
				names = append(names, p.Name)
			}
		default:
			names = []string{word}
		}
		for _, name := range names {
			c, err := contender(known, name)
			if err != nil {
				return nil, err
			}
			add(c)
		}
	}
	return out, nil
}

func splitContenders(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		name, _, hasValue := strings.Cut(part, "=")
		if len(out) > 0 && hasValue && !strings.Contains(name, ":") && strings.Contains(out[len(out)-1], ":") {
			out[len(out)-1] += "," + part
			continue
		}
		out = append(out, part)
	}
	return out
}

func contender(known []runner.Contender, name string) (runner.Contender, error) {
	const flag = "--contenders"
	for _, p := range known {
		if p.Name == name {
			return p, nil
		}
	}
	bare := name
	if i := strings.IndexAny(name, ":+~"); i >= 0 {
		bare = name[:i]
	}
	if !slices.Contains(builtin.Algorithms().Names(), bare) {
		among := append(builtin.Algorithms().Names(), ownContenders, peerContenders, allContenders)
		for _, p := range known {
			among = append(among, p.Name)
		}
		e := usagef("there is no contender %q", name).WithField(flag)
		if s := suggestName(bare, among); s != "" {
			return runner.Contender{}, e.WithRemedy("%s", s)
		}
		return runner.Contender{}, e.WithRemedy("tuner bench list contenders shows them")
	}
	open := runner.InProcess
	if runner.HasStopper(name) {
		open = runner.Stopped
	}
	c, err := open(builtin.Algorithms(), name)
	if err != nil {
		return c, inField(err, flag)
	}
	return c, nil
}
