//go:build linux

package chaos

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The fates of a request.
const (
	passed   = iota
	lost     // it never arrives
	unheard  // it is carried out, and the answer is lost
	repeated // it arrives twice at once, perhaps at two servers
	late     // it arrives, and once more up to two seconds later
	slow     // it arrives byte by byte
	numFates
)

var fateNames = [numFates]string{"passed", "lost", "unheard", "repeated", "late", "slow"}

// proxy is a network between workers and servers that does not keep its word.
// The zero rate makes it a good one.
type proxy struct {
	backends []string // addresses of the servers
	rate     atomic.Uint64
	fates    [numFates]atomic.Int64
	away     atomic.Int64 // requests to a server that was not there

	mu   sync.Mutex
	r    *rand.Rand
	http *http.Transport
	srv  *http.Server
	url  string
	// copies are the requests that are sent again later.
	copies sync.WaitGroup
	end    context.CancelFunc
	life   context.Context // it is as old as the proxy
}

func newProxy(seed uint64, backends ...string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{backends: backends, r: rand.New(rand.NewPCG(seed, 1)), url: "http://" + l.Addr().String(),
		http: &http.Transport{MaxIdleConnsPerHost: 256, DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext}}
	p.life, p.end = context.WithCancel(context.Background())
	p.srv = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.srv.Serve(l) }() // ends with close
	return p, nil
}

func (p *proxy) close() error {
	p.end()
	p.copies.Wait()
	p.http.CloseIdleConnections()
	return p.srv.Close()
}

// misbehave makes one in n requests go wrong; 0 is none.
func (p *proxy) misbehave(n uint64) { p.rate.Store(n) }

// draw chooses what happens to a request, and where it goes first.
func (p *proxy) draw() (fate, first int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first = p.r.IntN(len(p.backends))
	if n := p.rate.Load(); n > 0 && p.r.Uint64N(n) == 0 {
		fate = 1 + p.r.IntN(numFates-1)
	}
	return fate, first, time.Duration(p.r.Int64N(int64(2 * time.Second)))
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	fate, first, wait := p.draw()
	p.fates[fate].Add(1)
	second := (first + 1) % len(p.backends)
	switch fate {
	case lost:
		panic(http.ErrAbortHandler)
	case unheard:
		_, _ = p.send(context.WithoutCancel(r.Context()), r, first, bytes.NewReader(body))
		panic(http.ErrAbortHandler)
	case repeated:
		copied := r.Clone(p.life)
		p.copies.Go(func() { _, _ = p.send(p.life, copied, second, bytes.NewReader(body)) })
	case late:
		copied := r.Clone(p.life)
		p.copies.Go(func() {
			select {
			case <-time.After(wait):
				_, _ = p.send(p.life, copied, second, bytes.NewReader(body))
			case <-p.life.Done():
			}
		})
	}
	var in io.Reader = bytes.NewReader(body)
	if fate == slow {
		in = &dripping{ctx: r.Context(), rest: body, pause: wait / time.Duration(len(body)+1)}
	}
	a, err := p.send(r.Context(), r, first, in)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // who is gone needs no answer
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// send carries a request to a server and reads the whole answer.
func (p *proxy) send(ctx context.Context, r *http.Request, to int, body io.Reader) (a answer, err error) {
	out, err := http.NewRequestWithContext(ctx, r.Method, "http://"+p.backends[to]+r.URL.RequestURI(), body)
	if err != nil {
		return a, err
	}
	out.Header = r.Header.Clone()
	out.ContentLength = r.ContentLength
	resp, err := p.http.RoundTrip(out)
	if err != nil {
		p.away.Add(1)
		return a, err
	}
	a = answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	return a, errors.Join(err, resp.Body.Close())
}

// dripping is a body that comes byte by byte.
type dripping struct {
	ctx   context.Context // a reader has no other way to end
	rest  []byte
	pause time.Duration
}

func (d *dripping) Read(b []byte) (int, error) {
	if len(d.rest) == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(d.pause):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	b[0] = d.rest[0]
	d.rest = d.rest[1:]
	return 1, nil
}
