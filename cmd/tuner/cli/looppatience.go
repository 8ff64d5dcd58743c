package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/spf13/pflag"
)

// loopPatience is how long the commands of a loop in a shell wait for a server
// that is away. They can be repeated without harm, and a loop that took a short
// restart for an answer would end, or store what is not so.
type loopPatience struct {
	most time.Duration
}

func (p *loopPatience) register(fs *pflag.FlagSet) {
	fs.DurationVar(&p.most, "reconnect", 5*time.Minute, "wait so long for a server that is away; 0s does not wait")
}

// use makes the commands of f wait. bound is the longest that the user wants to
// wait at all, negative if there is none.
func (p *loopPatience) use(f *dbFlags, fs *pflag.FlagSet, bound time.Duration) error {
	if p.most < 0 {
		return usagef("%v is no time to wait", p.most).WithField("--reconnect").WithRemedy("use 0s or more")
	}
	if bound >= 0 && !fs.Changed("reconnect") {
		p.most = min(p.most, bound)
	}
	f.loop = p
	return nil
}

// forClient is client.Config.Patience.
func (p *loopPatience) forClient() time.Duration {
	if p.most == 0 {
		return -1
	}
	return p.most
}

// awaySaid says once that the server is away.
func (p *loopPatience) awaySaid(st *State) func(error) {
	var once sync.Once
	return func(err error) {
		once.Do(func() {
			what := err.Error()
			if e, ok := asTyped(err); ok {
				what = e.Message
			}
			fmt.Fprintf(st.Stderr, "tuner: waiting for the server, %v at most: %s\n", p.most, what)
		})
	}
}
