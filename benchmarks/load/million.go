package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// million measures a server over a study of a million trials.
func million(ctx context.Context, b *bench, args []string) error {
	db := b.flags.String("db", "", "a database that fill has made; it is changed (default: one is made and removed)")
	trials := b.flags.Int64("trials", millionTrials, "trials of the study, if it is made")
	bins, err := b.parse(ctx, args)
	if err != nil {
		return err
	}
	path := *db
	if path == "" {
		path = b.fresh()
		if err := fillDatabase(ctx, path, *trials); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("%s has %.0f MiB\n", filepath.Base(path), float64(info.Size())/(1<<20))
	for range b.rounds {
		for _, bin := range bins {
			if len(bins) > 1 {
				fmt.Println(filepath.Base(bin))
			}
			if err := millionOnce(ctx, b, bin, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// pages are listings of 100 trials that have a goal. A second page of each is
// asked for from the middle, where that can be said.
var pages = []struct {
	what  string
	query url.Values
	goal  float64 // ms
}{
	{"page by number", url.Values{}, 50},
	{"page by number, from the end", url.Values{"desc": {"true"}}, 50},
	{"page by state", url.Values{"state": {"failed"}}, 50},
	{"page by objective", url.Values{"sort": {"metric"}, "metric": {"loss"}}, 50},
	{"page by objective, the worst first", url.Values{"sort": {"metric"}, "metric": {"loss"}, "desc": {"true"}}, 50},
	{"page by objective of one state", url.Values{"sort": {"metric"}, "metric": {"loss"}, "state": {"completed"}}, 50},
	{"page by objective of a rare state", url.Values{"sort": {"metric"}, "metric": {"loss"}, "state": {"pruned"}}, 50},
	{"page by objective of a state that hardly any has", url.Values{"sort": {"metric"}, "metric": {"loss"}, "state": {"infeasible"}}, 300},
	{"page by time of a rare state", url.Values{"sort": {"finished"}, "state": {"pruned"}}, 50},
	{"page by time", url.Values{"sort": {"finished"}}, 50},
	{"page by time, the latest first", url.Values{"sort": {"finished"}, "desc": {"true"}}, 50},
	{"page sorted by a parameter", url.Values{"sort": {"param"}, "param": {"lr"}}, 300},
	{"page sorted by a parameter, the largest first", url.Values{"sort": {"param"}, "param": {"units"}, "desc": {"true"}}, 300},
	{"page filtered by a parameter", url.Values{"params": {"lr=0.001..0.0011"}}, 300},
	{"page filtered by two, the best first", url.Values{"params": {"opt=adam", "depth=3..4"}, "sort": {"metric"}, "metric": {"loss"}}, 300},
	{"page filtered by what is never good, the best first", url.Values{"params": {"lr=0.05..0.1"}, "sort": {"metric"}, "metric": {"loss"}}, 300},
	{"page filtered by what is never good, of a rare state", url.Values{"params": {"lr=0.05..0.1"}, "state": {"pruned"}, "sort": {"metric"}, "metric": {"loss"}}, 300},
	{"page filtered by a rare pair, the best first", url.Values{"params": {"lr=0.001..0.0011", "units=100..104"}, "sort": {"metric"}, "metric": {"loss"}}, 300},
}

func millionOnce(ctx context.Context, b *bench, bin, path string) (err error) {
	s, err := start(ctx, bin, path)
	if err != nil {
		return err
	}
	defer func() {
		if e := s.stop(); err == nil {
			err = e
		}
	}()
	c := s.dial()
	defer c.close()
	b.goal("ready after", s.ready.Seconds(), 5, "s", false)
	took, err := c.get("/readyz", nil)
	if err != nil {
		return err
	}
	b.goal("readiness check", milli(took), 50, "ms", false)
	var st types.Study
	if took, err = c.get(studies+"/load", &st); err != nil {
		return err
	}
	b.goal("the study, before its first ask", milli(took), 0, "ms", false)
	for _, p := range pages {
		if err := measurePage(b, c, p.what, p.query, p.goal); err != nil {
			return err
		}
	}
	if took, err = c.get(fmt.Sprintf("%s/load/trials/%d/reports", studies, st.Counts.Spent()/2), nil); err != nil {
		return err
	}
	b.goal("reports of a trial", milli(took), 50, "ms", false)
	if err := b.memory(s, "RSS after the pages"); err != nil {
		return err
	}
	if err := measureExport(b, s, c); err != nil {
		return err
	}
	return measureAsks(b, s, c)
}

// measureExport reads all trials and looks at what that costs the server.
func measureExport(b *bench, s *server, c *conn) error {
	_, before, err := s.memory()
	if err != nil {
		return err
	}
	began := time.Now()
	n, err := c.stream(studies + "/load/export?format=csv")
	if err != nil {
		return err
	}
	_, after, err := s.memory()
	if err != nil {
		return err
	}
	b.goal("growth of the highest RSS by an export of all", after-before, 64, "MiB", false)
	fmt.Printf("    %.0f MiB in %v\n", float64(n)/(1<<20), time.Since(began).Round(time.Millisecond))
	return nil
}

// measurePage takes the first page five times and follows it for ten pages: the
// slowest of those counts, but for the first call, which finds nothing cached.
func measurePage(b *bench, c *conn, what string, q url.Values, goal float64) error {
	q.Set("limit", "100")
	path := studies + "/load/trials"
	var cold, worst time.Duration
	q.Del("after")
	for i := range 15 {
		var page types.TrialPage
		took, err := c.get(path+"?"+q.Encode(), &page)
		if err != nil {
			return err
		}
		switch {
		case i == 0:
			cold = took
		default:
			worst = max(worst, took)
		}
		if len(page.Trials) == 0 {
			return fmt.Errorf("%s: no trials", what)
		}
		if i >= 4 && page.Next != "" {
			q.Set("after", page.Next)
		}
	}
	b.goal(what, milli(worst), goal, "ms", false)
	if goal > 0 && milli(cold) > goal {
		fmt.Printf("    the first call took %.0f ms\n", milli(cold))
	}
	return nil
}

// measureAsks asks for trials one after another.
func measureAsks(b *bench, s *server, c *conn) error {
	w := newWorker(c, "load", "w")
	began := time.Now()
	if err := w.ask(); err != nil {
		return err
	}
	b.goal("first ask", time.Since(began).Seconds(), 4, "s", false)
	if err := w.end(); err != nil {
		return err
	}
	var asks latencies
	for range 200 {
		began := time.Now()
		if err := w.ask(); err != nil {
			return err
		}
		asks.add(time.Since(began))
		if err := w.report(0, 10); err != nil {
			return err
		}
		if err := w.end(); err != nil {
			return err
		}
	}
	b.goal("later asks, p99", asks.quantile(0.99), 20, "ms", false)
	fmt.Println("    asks", &asks)
	return b.memory(s, "RSS after the asks")
}

// memory prints the highest resident set so far.
func (b *bench) memory(s *server, what string) error {
	now, peak, err := s.memory()
	if err != nil {
		return err
	}
	b.goal(what+", highest", peak, 1024, "MiB", false)
	fmt.Printf("    now %.0f MiB\n", now)
	return nil
}
