//go:build linux || darwin

package local

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// leaveTimeout bounds how long Close waits for the supervisor.
const leaveTimeout = 2 * time.Second

// errDisconnected means that no answer came: the request may have been carried
// out or not.
var errDisconnected = errors.New("the connection to the supervisor broke")

// conn is a connection to the supervisor, shared by all calls.
type conn struct {
	e *Executor
	c *net.UnixConn
	r *bufio.Reader
	// ended is closed when the reader has ended.
	ended chan struct{}

	write sync.Mutex

	mu      sync.Mutex
	lastID  uint64
	pending map[uint64]*pendingCall // nil: disconnected
}

// pendingCall is a request that waits for its reply.
type pendingCall struct {
	on    func(*reply)
	reply *reply
	done  chan struct{}
}

func newConn(e *Executor, c *net.UnixConn) *conn {
	return &conn{
		e: e, c: c, r: bufio.NewReader(c),
		ended:   make(chan struct{}),
		pending: map[uint64]*pendingCall{},
	}
}

// hello makes sure that somebody answers at the other end.
func (c *conn) hello() error {
	if err := sameUser(c.c); err != nil {
		return err
	}
	if err := c.c.SetDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if err := writeFrame(c.c, &request{Op: opHello}); err != nil {
		return err
	}
	var r reply
	if err := readFrame(c.r, &r); err != nil {
		return err
	}
	if r.Error != nil {
		return r.Error
	}
	return c.c.SetDeadline(time.Time{})
}

// call sends a request and waits for its reply. on, if any, is called with the
// reply before anything that the supervisor sends later is looked at.
func (c *conn) call(req *request, on func(*reply)) (*reply, error) {
	p := &pendingCall{on: on, done: make(chan struct{})}
	c.mu.Lock()
	if c.pending == nil {
		c.mu.Unlock()
		return nil, errDisconnected
	}
	c.lastID++
	id := c.lastID
	c.pending[id] = p
	c.mu.Unlock()

	sent := *req
	sent.ID = id
	c.write.Lock()
	err := writeFrame(c.c, &sent)
	c.write.Unlock()
	if e, ok := errors.AsType[*types.Error](err); ok {
		// It was refused before a byte was written.
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
		return nil, e
	}
	if err != nil {
		_ = c.c.Close() // The reader ends, and with it all calls.
	}
	<-p.done
	if p.reply == nil {
		return nil, errDisconnected
	}
	return p.reply, nil
}

// read takes what the supervisor sends until the connection breaks.
func (c *conn) read() {
	for {
		r := &reply{}
		if err := readFrame(c.r, r); err != nil {
			break
		}
		if r.ID == 0 {
			c.e.pushed(r)
			continue
		}
		c.mu.Lock()
		p := c.pending[r.ID]
		delete(c.pending, r.ID)
		c.mu.Unlock()
		if p == nil {
			continue
		}
		if p.on != nil {
			p.on(r)
		}
		p.reply = r
		close(p.done)
	}
	_ = c.c.Close()
	c.e.lost(c)
	c.mu.Lock()
	pending := c.pending
	c.pending = nil
	c.mu.Unlock()
	for _, p := range pending {
		close(p.done)
	}
	close(c.ended)
}

// leave ends the connection, and the supervisor with it if it has nothing to do;
// it tells whether it has.
func (c *conn) leave() bool {
	timer := time.AfterFunc(leaveTimeout, func() { _ = c.c.Close() })
	defer timer.Stop()
	r, err := c.call(&request{Op: opBye}, nil)
	ends := err == nil && r.Standing == standLeaving
	if !ends {
		_ = c.c.Close()
	}
	<-c.ended
	return ends
}
