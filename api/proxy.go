package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// callerAddress is where a request comes from: the other end of the connection,
// or what a proxy says of it. The last address in X-Forwarded-For that is no
// proxy's is the first that a proxy of ours has written; what is before it anybody
// can write.
func (s *Server) callerAddress(r *http.Request) (string, error) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || len(s.cfg.Proxies) == 0 {
		return r.RemoteAddr, nil
	}
	from := peer.Addr().Unmap()
	if !s.isProxy(from) {
		if from.IsLoopback() {
			return r.RemoteAddr, nil
		}
		return r.RemoteAddr, types.Errorf(types.Forbidden, "%s is no proxy of this server, and only those may call", from).
			WithRemedy("use the address of the proxy; the operator names proxies with --behind-proxy")
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, h := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.TrimSpace(h))
		if err != nil {
			break
		}
		if a = a.Unmap(); !s.isProxy(a) {
			return a.String(), nil
		}
	}
	return from.String(), nil
}

func (s *Server) isProxy(a netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
