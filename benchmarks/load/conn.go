package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

// conn is one connection that sends a request at a time. It does by hand what
// net/http does for everybody, so that the load takes little of the processors
// that the server runs on. It dials when it has to.
type conn struct {
	addr, token string

	c    net.Conn
	r    *bufio.Reader
	out  []byte
	body []byte
}

// patience bounds one request.
const patience = 90 * time.Second

func (c *conn) close() {
	if c.c != nil {
		_ = c.c.Close() // nothing is under way
		c.c = nil
	}
}

// get sends a GET and decodes the answer, which must be 200, into out if that
// is not nil.
func (c *conn) get(path string, out any) (time.Duration, error) { return c.call("GET", path, nil, out) }

// post sends JSON; the answer must be 200 or 201.
func (c *conn) post(path string, body []byte, out any) (time.Duration, error) {
	return c.call("POST", path, body, out)
}

func (c *conn) call(method, path string, body []byte, out any) (time.Duration, error) {
	began := time.Now()
	status, answer, err := c.do(method, path, body)
	took := time.Since(began)
	switch {
	case err != nil:
		return took, fmt.Errorf("%s %s: %w", method, path, err)
	case status != 200 && status != 201:
		return took, fmt.Errorf("%s %s: %d %s", method, path, status, answer)
	case out != nil:
		return took, json.Unmarshal(answer, out)
	}
	return took, nil
}

// stream reads a long answer without keeping it, and returns its length.
func (c *conn) stream(path string) (n int64, err error) {
	if err := c.send("GET", path, nil); err != nil {
		return 0, err
	}
	defer c.close()
	if err := c.c.SetDeadline(time.Now().Add(longest)); err != nil { // on a busy machine
		return 0, err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }() // the connection ends here
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return io.Copy(io.Discard, resp.Body)
}

// do sends a request; the answer's body is valid until the next.
func (c *conn) do(method, path string, body []byte) (status int, answer []byte, err error) {
	if err := c.send(method, path, body); err != nil {
		return 0, nil, err
	}
	if status, answer, err = c.receive(); err != nil {
		c.close()
	}
	return status, answer, err
}

func (c *conn) send(method, path string, body []byte) (err error) {
	if c.c == nil {
		if c.c, err = (&net.Dialer{}).DialContext(context.Background(), "tcp", c.addr); err != nil {
			return err
		}
		c.r = bufio.NewReader(c.c)
	}
	b := c.out[:0]
	for _, part := range []string{method, " ", path, " HTTP/1.1\r\nHost: ", c.addr, "\r\nAuthorization: Bearer ", c.token} {
		b = append(b, part...)
	}
	if body != nil {
		b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
	}
	b = append(b, "\r\n\r\n"...)
	b = append(b, body...)
	c.out = b
	if err = c.c.SetDeadline(time.Now().Add(patience)); err == nil {
		_, err = c.c.Write(b)
	}
	if err != nil {
		c.close()
	}
	return err
}

// receive reads one answer.
func (c *conn) receive() (status int, body []byte, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 || string(line[:9]) != "HTTP/1.1 " {
		return 0, nil, fmt.Errorf("%q is no answer", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, chunked := 0, false
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(v)); err != nil {
				return 0, nil, err
			}
		}
		chunked = chunked || string(line) == "Transfer-Encoding: chunked"
	}
	if chunked {
		c.body, err = io.ReadAll(httputil.NewChunkedReader(c.r))
		if err == nil {
			_, err = c.r.Discard(len("\r\n"))
		}
		return status, c.body, err
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err = io.ReadFull(c.r, c.body)
	return status, c.body, err
}
