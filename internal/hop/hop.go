// Package hop sends requests on to one server.
package hop

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// keep is how many connections wait for the next request.
	keep = 512
	// rest is for how long they do. It is short because nobody looks at them
	// meanwhile: one whose server has died is found out by the request that it
	// fails. Under load they rest for milliseconds, and else a new one is no matter.
	rest = time.Second
	// bufferSize holds most requests and answers.
	bufferSize = 4 << 10
)

// Transport is an http.RoundTripper for one server that speaks HTTP/1.1: what
// http.Transport does by three goroutines, between which a request and its answer
// change hands, it does on the caller's, for half of the time. It takes no proxy,
// adds no header and repeats nothing: after an error that is none of Dial the
// server may have done what was asked. It is safe for concurrent use.
type Transport struct {
	// Dial makes a connection.
	Dial func(ctx context.Context) (net.Conn, error)

	mu   sync.Mutex
	idle []*conn // the last one was used last
}

var _ http.RoundTripper = (*Transport)(nil)

type conn struct {
	net.Conn

	r     *bufio.Reader
	w     *bufio.Writer
	until time.Time
}

// RoundTrip implements http.RoundTripper. The answer's body must be closed; once
// it is read whole, its connection is used again.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	c, err := t.get(ctx)
	if err != nil {
		return nil, err
	}
	// A deadline that has passed ends what is under way.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	resp, err := c.exchange(req)
	if err != nil {
		stop()
		t.fail(c)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, end: func(whole bool) {
		if !stop() || !whole || resp.Close {
			_ = c.Close() // nobody waits for what may come
			return
		}
		t.put(c)
	}}
	return resp, nil
}

func (c *conn) exchange(req *http.Request) (*http.Response, error) {
	err := req.Write(c.w)
	if err == nil {
		err = c.w.Flush()
	}
	if err != nil {
		return nil, err
	}
	return http.ReadResponse(c.r, req)
}

// get returns a connection that rests, or a new one.
func (t *Transport) get(ctx context.Context) (*conn, error) {
	if c := t.rested(); c != nil {
		return c, nil
	}
	n, err := t.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: n, r: bufio.NewReaderSize(n, bufferSize), w: bufio.NewWriterSize(n, bufferSize)}, nil
}

func (t *Transport) rested() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.idle) - 1
	if n < 0 {
		return nil
	}
	c := t.idle[n]
	if time.Now().After(c.until) { //nolint:forbidigo // as the kernel counts, not the servers
		t.clear() // those before it have rested for longer
		return nil
	}
	t.idle[n] = nil
	t.idle = t.idle[:n]
	return c
}

// put lets a connection rest until it is used again, or for too long.
func (t *Transport) put(c *conn) {
	c.until = time.Now().Add(rest) //nolint:forbidigo // as the kernel counts, not the servers
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) >= keep {
		_ = c.Close()
		return
	}
	t.idle = append(t.idle, c)
}

// fail closes a connection that did not work, and all that rest, which lead to
// the same server.
func (t *Transport) fail(c *conn) {
	_ = c.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
}

func (t *Transport) clear() {
	for _, c := range t.idle {
		_ = c.Close()
	}
	clear(t.idle)
	t.idle = t.idle[:0]
}

// body tells when an answer has been read, and whether it was whole.
type body struct {
	io.ReadCloser

	end   func(whole bool)
	whole bool
}

func (b *body) Read(p []byte) (n int, err error) {
	n, err = b.ReadCloser.Read(p)
	b.whole = b.whole || errors.Is(err, io.EOF)
	return n, err
}

func (b *body) Close() error {
	if b.end == nil { // once is enough
		return nil
	}
	b.end(b.whole)
	b.end = nil
	return nil
}
