package cli

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/internal/pin"
)

// listenFlags say where a server listens and how others are kept from reading
// along.
type listenFlags struct {
	address   string
	hosts     []string
	cert, key string
	proxies   []string
	advertise string
}

func (f *listenFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.address, "listen", "127.0.0.1:7070", "address to listen on; port 0 takes a free one")
	fs.StringSliceVar(&f.hosts, "host", nil, "another name under which the server is reached, such as that of a proxy; repeat it")
	fs.StringVar(&f.cert, "tls-cert", "", "certificate with its chain, a PEM file (default beyond this machine: one of its own, known by --pin)")
	fs.StringVar(&f.key, "tls-key", "", "key of the certificate, a PEM file")
	fs.StringSliceVar(&f.proxies, "behind-proxy", nil, "take plain http from these proxies, which add TLS: addresses or networks such as 10.0.0.0/24")
	fs.StringVar(&f.advertise, "advertise", "", "https URL at which other servers of the database reach this one and no other (tuner help operations)")
}

// door is where a server listens, how it is secured and how it is named.
type door struct {
	// url is for those who use it, and pin how they know it ("" by its name). self
	// is where it is without a proxy.
	url, self, pin string
	// names are those under which it answers, besides those of this machine for
	// itself.
	names   []string
	proxies []netip.Prefix
	// advertised is what other servers are told, if the operator says so.
	advertised string
	tls        *tls.Config // nil is plain http
}

// check finds what is wrong before anything is opened. here says that only this
// machine can reach the address.
func (f *listenFlags) check() (host string, here bool, proxies []netip.Prefix, err error) {
	host, _, err = net.SplitHostPort(f.address)
	if err != nil {
		return "", false, nil, usagef("%q is no address to listen on", f.address).WithField("--listen").WithRemedy("write it as in 127.0.0.1:7070")
	}
	if (f.cert == "") != (f.key == "") {
		return "", false, nil, usagef("a certificate and its key belong together").WithField("--tls-cert").WithRemedy("give both, --tls-cert and --tls-key")
	}
	for _, text := range f.proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil {
				p = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if err != nil {
			return "", false, nil, usagef("%q is no address of a proxy", text).WithField("--behind-proxy").
				WithRemedy("name the addresses from which the proxy connects, such as 127.0.0.1 or 10.0.0.0/24")
		}
		if p.Bits() == 0 {
			return "", false, nil, usagef("%s is everybody, and what comes from a proxy is believed", text).WithField("--behind-proxy").
				WithRemedy("name the addresses from which the proxy connects")
		}
		proxies = append(proxies, p.Masked())
	}
	if _, err := f.advertised(""); err != nil {
		return "", false, nil, err
	}
	return host, onThisMachine(host), proxies, nil
}

// byAuthority is behind # in the address of a server whose certificate other
// servers check by its name and the authorities that they trust.
const byAuthority = "ca"

// advertised is the URL of --advertise with what the server is known by: the pin
// that was typed behind #, or that of its own key, or its name; nil if there is
// none.
func (f *listenFlags) advertised(own string) (*url.URL, error) {
	if f.advertise == "" {
		return nil, nil
	}
	refused := func(what, remedy string) error {
		return usagef("%s", what).WithField("--advertise").WithRemedy("%s", remedy)
	}
	const form = "write it as in https://10.0.0.5:7070, or with the pin of the key behind it: https://10.0.0.5:7070#sha256:…"
	u, err := url.Parse(f.advertise)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/":
		return nil, refused(fmt.Sprintf("%q is no address of a server", f.advertise), form)
	case u.Scheme != "https":
		return nil, refused("other servers send their callers' tokens there, and only https keeps them from the network", form)
	case u.Fragment == "":
		u.Fragment = cmp.Or(own, byAuthority)
	case pin.Check(u.Fragment) != nil:
		return nil, refused(fmt.Sprintf("%q is no pin", u.Fragment), form)
	}
	u.Path = ""
	return u, nil
}

// open says how the server listens at addr, the address that it has got.
func (f *listenFlags) open(addr net.Addr, keyPath string, now time.Time, log *slog.Logger) (*door, error) {
	host, here, proxies, err := f.check()
	if err != nil {
		return nil, err
	}
	d := &door{proxies: proxies, names: slices.Clone(f.hosts)}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil, err
	}
	shown := host
	if !here {
		others, err := reachedAs(host)
		if err != nil {
			return nil, err
		}
		d.names = append(d.names, others...)
		shown = d.names[0]
	}
	scheme := "http"
	switch {
	case f.cert != "":
		g := &givenCertificate{cert: f.cert, key: f.key, log: log}
		if err := g.load(); err != nil {
			return nil, err
		}
		scheme, d.tls = "https", &tls.Config{GetCertificate: g.get}
	case !here && len(proxies) == 0:
		c, err := ownCertificate(keyPath, append([]string{"localhost", "127.0.0.1", "::1"}, d.names...), now)
		if err != nil {
			return nil, err
		}
		scheme, d.pin, d.tls = "https", pin.Of(c.Leaf), &tls.Config{Certificates: []tls.Certificate{*c}}
	}
	if d.tls != nil {
		d.tls.MinVersion = tls.VersionTLS12
		d.tls.NextProtos = []string{"http/1.1"} // a long poll is a connection
	}
	d.self = scheme + "://" + net.JoinHostPort(shown, port)
	if here {
		d.self = scheme + "://" + addr.String()
	}
	u, err := f.advertised(d.pin)
	if err != nil {
		return nil, err
	}
	if u != nil {
		d.advertised, d.names = u.String(), append(d.names, u.Hostname())
	}
	d.url = d.self
	if len(proxies) > 0 && d.tls == nil && len(f.hosts) > 0 {
		d.url = "https://" + f.hosts[0]
	}
	return d, nil
}

// reachedAs are the names under which others reach an address that a server listens
// on: that address, or for all addresses the machine's name and each of them. A
// number in Host is no risk, for no page of a foreign name can send it.
func reachedAs(host string) ([]string, error) {
	a, notIP := netip.ParseAddr(host)
	if all := host == "" || notIP == nil && a.IsUnspecified(); !all {
		return []string{strings.ToLower(host)}, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return nil, usagef("this machine has no name: %w", err).WithField("--listen").WithRemedy("listen on one of its addresses")
	}
	names := []string{strings.ToLower(name)}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, usagef("cannot list the addresses of this machine: %w", err).WithField("--listen").WithRemedy("listen on one of them")
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			names = append(names, n.IP.String())
		}
	}
	return names, nil
}

// listener is l with the door's TLS.
func (d *door) listener(l net.Listener) net.Listener {
	if d.tls == nil {
		return l
	}
	return tls.NewListener(l, d.tls)
}

// address is what other servers of the database are told: with a pin, so that
// they need no authority to know this one.
func (d *door) address() string {
	if d.advertised != "" {
		return d.advertised
	}
	if d.pin == "" {
		return d.self
	}
	return d.self + "#" + d.pin
}

// keyPath is where the key of a server without a certificate lies: beside its
// token.
func keyPath(tokenPath string) string {
	return strings.TrimSuffix(tokenPath, filepath.Ext(tokenPath)) + ".tls.key"
}
