package pin

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheClientTrustsOneKey(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer server.Close()
	right := Of(server.Certificate())
	if err := Check(right); err != nil {
		t.Fatal(err)
	}
	get := func(cfg *tls.Config) error {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
		resp, err := c.Get(server.URL)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	cfg := TLS(right)
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 { // the second connection resumes the first's session
		if err := get(cfg); err != nil {
			t.Errorf("the server with the pin: %v", err)
		}
	}
	wrong := "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	other := TLS(wrong)
	other.ClientSessionCache = cfg.ClientSessionCache
	for range 2 {
		if err := get(other); err == nil || !strings.Contains(err.Error(), "has the pin "+right) {
			t.Errorf("a server with another pin: %v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, text := range []string{"", "sha256:", "sha256:AAAA", "md5:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if Check(text) == nil {
			t.Errorf("%q is taken for a pin", text)
		}
	}
}
