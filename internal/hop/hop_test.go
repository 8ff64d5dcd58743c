package hop_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotuner/tuner/internal/hop"
)

// fixture is a server that counts connections, and a way to it.
type fixture struct {
	*httptest.Server

	send        *hop.Transport
	made, ended atomic.Int64
}

func serve(t *testing.T, h http.HandlerFunc) *fixture {
	t.Helper()
	f := &fixture{Server: httptest.NewUnstartedServer(h)}
	f.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			f.made.Add(1)
		case http.StateClosed:
			f.ended.Add(1)
		case http.StateActive, http.StateIdle, http.StateHijacked:
		}
	}
	f.Start()
	t.Cleanup(f.Close)
	f.send = &hop.Transport{Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", f.Listener.Addr().String())
	}}
	return f
}

func (f *fixture) post(ctx context.Context, text string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL+"/a%20b?q=1", strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Text", text[:min(len(text), 4)])
	return f.send.RoundTrip(req)
}

// refused sends a request that must not be answered, and returns why it was not.
func (f *fixture) refused(ctx context.Context, t *testing.T) error {
	t.Helper()
	resp, err := f.post(ctx, "x")
	if err == nil {
		t.Errorf("it was answered: %s", resp.Status)
		_ = resp.Body.Close()
	}
	return err
}

func (f *fixture) echoed(t *testing.T, text string) {
	t.Helper()
	resp, err := f.post(t.Context(), text)
	if err != nil {
		t.Error(err)
		return
	}
	got, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close(), resp.Body.Close()); err != nil {
		t.Error(err)
	}
	if resp.StatusCode != http.StatusTeapot || string(got) != text {
		t.Errorf("answered %d with %d bytes, want those %d that were sent", resp.StatusCode, len(got), len(text))
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != "/a b" || r.URL.RawQuery != "q=1" || r.Header.Get("X-Text") != string(b[:min(len(b), 4)]) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusTeapot)
	_, _ = w.Write(b)
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	f := serve(t, echo)
	for _, text := range []string{"one", "", strings.Repeat("long ", 100_000), "four"} {
		f.echoed(t, text)
	}
	if n := f.made.Load(); n != 1 {
		t.Errorf("four requests in turn took %d connections", n)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				f.echoed(t, "at once")
			}
		})
	}
	all.Wait()
	if n := f.made.Load(); n > 8 {
		t.Errorf("8 callers took %d connections", n)
	}
}

// TestWhatIsNotReadIsNotMixedUp: the rest of one answer must not be taken for the
// next, and a server that closes the connection is believed.
func TestWhatIsNotReadIsNotMixedUp(t *testing.T) {
	closing := atomic.Bool{}
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if closing.Load() {
			w.Header().Set("Connection", "close")
		}
		echo(w, r)
	})
	resp, err := f.post(t.Context(), strings.Repeat("long ", 100_000))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	f.echoed(t, "second")
	closing.Store(true)
	f.echoed(t, "third")
	f.echoed(t, "fourth")
	if n := f.made.Load(); n != 3 {
		t.Errorf("%d connections, want one, another, and one after that was closed", n)
	}
}

// TestCancelledRequestEnds, with the cause, and its connection with it.
func TestCancelledRequestEnds(t *testing.T) {
	came := make(chan struct{})
	f := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // so that net/http looks whether the caller is there
		close(came)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go func() {
		<-came
		cancel(why)
	}()
	if err := f.refused(ctx, t); !errors.Is(err, why) {
		t.Errorf("the cancelled request: %v", err)
	}
	f.Close() // waits for the handler, which ends with the connection
}

// TestServerThatIsGone: what was sent to it may have been done, and what could not
// be sent was not, which is to be told apart.
func TestServerThatIsGone(t *testing.T) {
	f := serve(t, echo)
	f.echoed(t, "x")
	f.Close()
	var dial *net.OpError
	if err := f.refused(t.Context(), t); errors.As(err, &dial) && dial.Op == "dial" {
		t.Errorf("on a connection that had ended: %v", err)
	}
	if err := f.refused(t.Context(), t); !errors.As(err, &dial) || dial.Op != "dial" {
		t.Errorf("without a server: %v", err)
	}
}

// TestConnectionThatRestedIsNotUsed: its server may be gone without a word.
func TestConnectionThatRestedIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, ended := 0, make(chan struct{}, 2)
		send := &hop.Transport{Dial: func(context.Context) (net.Conn, error) {
			made++
			near, far := net.Pipe()
			go func() {
				defer func() { ended <- struct{}{} }()
				for in := bufio.NewReader(far); ; {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}()
			return near, nil
		}}
		get := func(ctx context.Context) {
			t.Helper()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://there/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := send.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil || string(b) != "ok" {
				t.Fatalf("%q, %v", b, err)
			}
		}
		pass := func(d time.Duration) {
			time.Sleep(d) //nolint:forbidigo // in a bubble, whose clock is not the machine's
		}
		get(t.Context())
		pass(time.Second / 2)
		get(t.Context())
		if made != 1 {
			t.Errorf("half a second later: connection %d", made)
		}
		pass(2 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		get(ctx)
		<-ended // the first
		if made != 2 {
			t.Errorf("two seconds later: connection %d", made)
		}
		cancel() // after the answer: no matter
		get(t.Context())
		if made != 2 {
			t.Errorf("after a cancellation that came too late: connection %d", made)
		}
		pass(2 * time.Second)
		get(t.Context()) // closes the second
		<-ended
		resp, err := send.RoundTrip((&http.Request{Method: http.MethodGet, URL: nil}).WithContext(t.Context()))
		if err == nil {
			t.Errorf("a request to nowhere was answered: %v", resp.Status)
			_ = resp.Body.Close()
		}
		<-ended // what failed is closed
	})
}
