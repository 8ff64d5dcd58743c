package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// idle measures the memory of a server whose callers wait: for a trial of a
// study that is paused, or for the events of one where nothing happens.
func idle(ctx context.Context, b *bench, args []string) error {
	clients := b.flags.Int("clients", 5000, "callers")
	bins, err := b.parse(ctx, args)
	if err != nil {
		return err
	}
	for range b.rounds {
		for _, bin := range bins {
			for _, kind := range []string{"lease", "events"} {
				what := fmt.Sprintf("RSS with %d callers waiting for a %s", *clients, kind)
				if len(bins) > 1 {
					what += " (" + filepath.Base(bin) + ")"
				}
				if err := idleOnce(ctx, b, bin, kind, what, *clients); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func idleOnce(ctx context.Context, b *bench, bin, kind, what string, clients int) (err error) {
	s, err := start(ctx, bin, b.fresh())
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
	if err := create(c, "load", "random"); err != nil {
		return err
	}
	if _, err := c.call("PATCH", studies+"/load", []byte(`{"state":"paused"}`), nil); err != nil {
		return err
	}
	conns := make([]*conn, clients)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.close()
			}
		}
	}()
	before, _, err := s.memory()
	if err != nil {
		return err
	}
	if err := callAll(s, conns, kind); err != nil {
		return err
	}
	// Until the memory of all of them is taken, and what was needed to begin is
	// given back as far as it ever is.
	highest := before
	for range 20 {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now, _, err := s.memory()
		if err != nil {
			return err
		}
		highest = max(highest, now)
	}
	took, err := c.get("/v1/info", nil) // it answers others
	if err != nil {
		return err
	}
	b.goal(what, highest, 220, "MiB", false)
	fmt.Printf("    %.0f MiB before them; another request took %.1f ms meanwhile\n", before, milli(took))
	return nil
}

// callAll sends the requests of all who then wait.
func callAll(s *server, conns []*conn, kind string) error {
	const hands = 8
	var all sync.WaitGroup
	errs := make([]error, hands)
	for hand := range hands {
		all.Go(func() {
			for i := hand; i < len(conns) && errs[hand] == nil; i += hands {
				conns[i] = s.dial()
				if kind == "lease" {
					errs[hand] = conns[i].send("POST", studies+"/load/leases", []byte(`{"wait":"60s","worker":"w`+strconv.Itoa(i)+`"}`))
				} else {
					errs[hand] = conns[i].listen(studies + "/load/events")
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// listen begins to read a stream of events: its headers have come.
func (c *conn) listen(path string) error {
	if err := c.send("GET", path, nil); err != nil {
		return err
	}
	line, err := c.r.ReadString('\n')
	if err == nil && len(line) >= 12 && line[9:12] != "200" {
		err = fmt.Errorf("GET %s: %s", path, line[9:])
	}
	return err
}
