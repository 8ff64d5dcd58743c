package api

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// lastRequests is how long a connection of a server that stops may be idle
// before it is closed.
const lastRequests = 500 * time.Millisecond

// connections counts those of a server.
type connections struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when there are none; nil if nobody waits
}

// changed is told of each connection.
func (c *connections) changed(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.n++
	case http.StateClosed, http.StateHijacked:
		c.n--
	case http.StateActive, http.StateIdle:
	}
	if c.n == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// none waits until there are no connections, for so long at most. It is called
// once.
func (c *connections) none(ctx context.Context, atMost time.Duration) {
	c.mu.Lock()
	empty := make(chan struct{})
	if c.n == 0 {
		close(empty)
	} else {
		c.empty = empty
	}
	c.mu.Unlock()
	enough := time.NewTimer(atMost)
	defer enough.Stop()
	select {
	case <-empty:
	case <-enough.C:
	case <-ctx.Done():
	}
}
