package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/internal/hop"
	"github.com/gotuner/tuner/internal/pin"
	"github.com/gotuner/tuner/trial/local"
)

// How requests go to the other servers of a database.
const (
	peerDial   = 2 * time.Second
	knownPeers = 512 // addresses remembered
)

// siblings says how the servers of one database reach each other.
type siblings struct {
	host string // this machine
	mu   sync.Mutex
	// known has what was found out about addresses; nil cannot be reached.
	known map[[2]string]*sibling
}

type sibling struct {
	base *url.URL
	send http.RoundTripper
}

// newSiblings returns the peers of a server whose engine has a name among owners.
func newSiblings(name string) (*api.Peers, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	p := &siblings{host: host, known: map[[2]string]*sibling{}}
	return &api.Peers{Name: name, Reach: p.reach}, nil
}

func (p *siblings) reach(owner, addr string) (*url.URL, http.RoundTripper, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [2]string{owner, addr}
	to, ok := p.known[key]
	if !ok {
		if len(p.known) >= knownPeers { // servers come and go
			clear(p.known)
		}
		to = p.find(owner, addr)
		p.known[key] = to
	}
	if to == nil {
		return nil, nil, false
	}
	return to.base, to.send, true
}

// find makes the way to a server. The caller's token goes along, so http is for
// servers of this machine only, whose address is the same for both. Beyond it the
// address has the server's pin behind #, or says that authorities vouch for it.
func (p *siblings) find(owner, addr string) *sibling {
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" || u.User != nil || (u.Path != "" && u.Path != "/") {
		return nil
	}
	dialer := &net.Dialer{Timeout: peerDial}
	dial := dialer.DialContext
	port := "80"
	switch {
	case u.Scheme == "http" && onThisMachine(u.Hostname()) && local.OwnerHost(owner) == p.host:
	case u.Scheme == "https" && pin.Check(u.Fragment) == nil: // the database says whom to trust
		dial = (&tls.Dialer{NetDialer: dialer, Config: pin.TLS(u.Fragment)}).DialContext
		port = "443"
	case u.Scheme == "https" && u.Fragment == byAuthority:
		dial = (&tls.Dialer{NetDialer: dialer, Config: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}).DialContext
		port = "443"
	default:
		return nil
	}
	address := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
	return &sibling{&url.URL{Scheme: u.Scheme, Host: u.Host}, &hop.Transport{Dial: func(ctx context.Context) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*peerDial) // the handshake too
		defer cancel()
		c, err := dial(ctx, "tcp", address)
		if err != nil { // another key or name than it should have is as good as no answer: nothing was sent
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}
		return c, nil
	}}}
}

func onThisMachine(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
