package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestCallersBehindAProxy(t *testing.T) {
	s := New(Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("::1/128")}})
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string // "" is refused
	}{
		{"10.0.0.7:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"[::ffff:10.0.0.7]:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.7:1", []string{"6.6.6.6, 203.0.113.9, 10.0.0.8"}, "203.0.113.9"},
		{"10.0.0.7:1", []string{"6.6.6.6", "2001:db8::1"}, "2001:db8::1"},
		{"10.0.0.7:1", []string{"6.6.6.6, nonsense"}, "10.0.0.7"},
		{"10.0.0.7:1", nil, "10.0.0.7"},
		{"[::1]:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"127.0.0.1:1", []string{"6.6.6.6"}, "127.0.0.1:1"}, // no proxy, but this machine
		{"10.0.1.7:1", []string{"203.0.113.9"}, ""},
		{"203.0.113.9:1", nil, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		r.Host, r.RemoteAddr = "localhost", c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		got, err := s.callerAddress(r)
		if (err != nil) != (c.want == "") || err == nil && got != c.want {
			t.Errorf("%s for %q is %q, %v; want %q", c.peer, c.forwarded, got, err, c.want)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if (w.Code == http.StatusForbidden) != (c.want == "") {
			t.Errorf("%s for %q is answered by %d", c.peer, c.forwarded, w.Code)
		}
	}
	plain := New(Config{})
	r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
	r.Header.Set("X-Forwarded-For", "6.6.6.6")
	if got, err := plain.callerAddress(r); got != r.RemoteAddr || err != nil {
		t.Errorf("without proxies the caller is %q, %v", got, err)
	}
}
