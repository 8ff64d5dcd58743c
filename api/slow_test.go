package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// hasty is a server on a real socket that gives its callers little time.
func hasty(t *testing.T) (f *fixture, address string) {
	t.Helper()
	f = newFixture(t)
	s := New(Config{Engine: f.local.Engine, Store: f.local.Store, Build: "test", MaxWait: time.Second,
		HeadTime: 200 * time.Millisecond, BodyTime: 200 * time.Millisecond, AnswerTime: 200 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(narrowListener{l}) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Stop(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	return f, l.Addr().String()
}

// drip sends the head of a request and then a byte now and then until the server
// ends the connection, and returns what it answered.
func drip(t *testing.T, address, head, more string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer c.Close()
	if _, err := io.WriteString(c, head); err != nil {
		t.Error(err)
	}
	ended := make(chan struct{})
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				if _, err := io.WriteString(c, more); err != nil {
					return
				}
			}
		}
	}()
	defer close(ended)
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Error(err)
	}
	answer, err := io.ReadAll(c)
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		t.Errorf("it is not cut off after\n%s", head)
	}
	return string(answer)
}

// TestSlowCallersAreCutOff: those who take their time for the head, the body or
// the answer, with a token or without; meanwhile others are served, and who
// waits long for an answer keeps its connection.
func TestSlowCallersAreCutOff(t *testing.T) {
	t.Parallel()
	f, address := hasty(t)
	f.gets(http.StatusCreated, "POST", studies, studySpec, nil)
	head := func(method, path, token string) string {
		return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
			method, path, token)
	}
	for name, c := range map[string]struct{ head, more, want string }{
		"head":             {"GET /v1/info HTTP/1.1\r\nHost: loc", "a", ""},
		"body":             {head("POST", studies+"/s/leases", f.token), " ", "HTTP/1.1 408 "},
		"body, no token":   {head("POST", studies+"/s/leases", "none"), " ", "HTTP/1.1 401 "},
		"body, no route":   {head("POST", "/v1/nothing", f.token), " ", "HTTP/1.1 404 "},
		"body, not wanted": {head("GET", "/v1/info", f.token), " ", "HTTP/1.1 200 "},
		"body, public":     {head("GET", "/healthz", ""), " ", "HTTP/1.1 200 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := drip(t, address, c.head, c.more); !strings.HasPrefix(got, c.want) {
				t.Errorf("the answer is\n%s\nwant %s", got, c.want)
			}
		})
	}
	t.Run("answer", func(t *testing.T) {
		t.Parallel()
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		// It asks and asks, and reads nothing, until the server is rid of it.
		if err := c.SetWriteDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		ask := strings.Repeat(fmt.Sprintf("GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", f.token), 100)
		for err == nil {
			_, err = io.WriteString(c, ask)
		}
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			t.Error("who reads nothing is not cut off")
		}
	})
	t.Run("others", func(t *testing.T) {
		t.Parallel()
		c := http.Client{Transport: &http.Transport{}}
		defer c.CloseIdleConnections()
		for range 3 { // each longer than a body may take
			status, text, err := f.post(&c, "http://"+address+studies+"/s/heartbeat", `{"worker":"w","beats":[],"wait":"500ms"}`)
			if err != nil || status != http.StatusOK {
				t.Errorf("a long poll: %d %s, %v", status, text, err)
			}
		}
	})
}
