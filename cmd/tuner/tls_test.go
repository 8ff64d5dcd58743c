//go:build linux

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotuner/tuner/internal/pin"
)

var pinned = regexp.MustCompile(`(?s)url   (https://\S+)\ntoken (\S+)\npin   (sha256:\S+)\n.*TUNER_PIN=sha256:`)

// servePinned starts a server that others can reach.
func (l *lab) servePinned(flags ...string) (s *service, pin string) {
	l.t.Helper()
	s = &service{sweep: l.run(l.command(append([]string{"serve"}, flags...)...))}
	s.shows("use it:")
	m := pinned.FindStringSubmatch(s.shown.String())
	if m == nil {
		l.t.Fatalf("the server printed\n%s", s.shown)
	}
	s.url, s.token = m[1], m[2]
	return s, m[3]
}

// TestAServerForOthersEncrypts: with a key of its own, which clients know by its
// pin and which a restart keeps.
func TestAServerForOthersEncrypts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server, pin := l.servePinned("--listen", "0.0.0.0:0")
	key := strings.TrimSuffix(server.token, ".token") + ".tls.key"
	if info, err := os.Stat(key); err != nil || info.Mode() != 0o600 {
		t.Fatalf("the key: %v, %v", info, err)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	server.url = "https://127.0.0.1:" + port // the machine's name may lead nowhere here
	if out := l.run(l.command(append([]string{"ls"}, server.flags()...)...)).exits(2); !strings.Contains(out, "is not trusted") || !strings.Contains(out, "--pin") {
		t.Errorf("without the pin: %s", out)
	}
	other := "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	if out := l.run(l.command(append([]string{"ls", "--pin", other}, server.flags()...)...)).exits(2); !strings.Contains(out, "the server has the pin "+pin) {
		t.Errorf("with another pin: %s", out)
	}
	if out := l.run(l.command("ls", "--pin", pin, "--url", "http://127.0.0.1:"+port, "--token-file", server.token)).exits(2); !strings.Contains(out, "a pin is for https") {
		t.Errorf("a pin for http: %s", out)
	}
	if out := l.run(l.command("ls", "--url", "http://127.0.0.1:"+port, "--token-file", server.token)).exits(2); !strings.Contains(out, "write https://") {
		t.Errorf("http to https: %s", out)
	}

	plain := l.serve("127.0.0.1:0")
	if out := l.run(l.command("ls", "--pin", pin, "--url", "https"+strings.TrimPrefix(plain.url, "http"), "--token-file", plain.token)).exits(2); !strings.Contains(out, "does not speak https") {
		t.Errorf("https to http: %s", out)
	}
	plain.ends()

	// Its trials are told the pin, and report to it themselves.
	args := append([]string{"sweep", "--pin", pin, "--name", "s", "--min", "v", "-p", "x=0.0..1.0", "-n", "2", "--dir", l.trials, "--env", "REPORTER_METRIC=v"}, server.flags()...)
	l.run(l.command(append(args, "--", "env", roleEnv+"=reporter", os.Args[0], "{args}")...)).exits(0)

	// A restart keeps the pin, which the environment may hold.
	server.ends()
	again, same := l.servePinned("--listen", "0.0.0.0:"+port)
	if same != pin {
		t.Errorf("the pin was %s and is %s", pin, same)
	}
	cmd := l.command(append([]string{"ls"}, server.flags()...)...)
	cmd.Env = append(cmd.Env, "TUNER_PIN="+pin)
	if out := l.run(cmd).exits(0); !strings.Contains(out, "2/2") {
		t.Errorf("the studies: %s", out)
	}
	again.ends()
	if b, err := os.ReadFile(key); err != nil || strings.Contains(again.shown.String(), string(b)) {
		t.Errorf("the key was printed: %v", err)
	}
	if err := os.WriteFile(key, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := l.run(l.command("serve", "--listen", "0.0.0.0:0")).exits(2); !strings.Contains(out, "is no key that tuner has made") {
		t.Errorf("a damaged key: %s", out)
	}
}

// certificate writes a self-signed certificate for localhost.
func certificate(t *testing.T, cert, key, name string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAGivenCertificate: it is used, also here, and read again when it was renewed.
func TestAGivenCertificate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cert, key := filepath.Join(l.dir, "c.pem"), filepath.Join(l.dir, "k.pem")
	certificate(t, cert, key, "first")
	s := l.run(l.command("serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key))
	s.shows("use it:")
	url := regexp.MustCompile(`https://\S+`).FindString(s.shown.String())
	name := func() string {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}).Get(url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.TLS.PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Errorf("the certificate is of %s", got)
	}
	old, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, bytes.Repeat([]byte("half"), 3), 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(cert, later, later); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "first" || len(old) == 0 {
		t.Errorf("while it is half written the certificate is of %s", got)
	}
	certificate(t, cert, key, "second")
	if got := name(); got != "second" {
		t.Errorf("after the renewal the certificate is of %s", got)
	}
	s.signal(syscall.SIGTERM)
	s.exits(0)
}

// TestAdvertise: a server with a certificate of somebody's is reached by the other
// servers of the database at the address that it says, if its key or name is the
// right one; else they ask through the database.
func TestAdvertise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		behind    string // of the address
		name      string
		forwarded bool
	}{
		{"", "localhost", true},
		{"#PIN", "127.0.0.1", true},
		{"", "127.0.0.1", false}, // the certificate is not of this name
		{"#sha256:" + strings.Repeat("A", 43) + "=", "localhost", false},
	} {
		l := newLab(t)
		cert, key := filepath.Join(l.dir, "c.pem"), filepath.Join(l.dir, "k.pem")
		certificate(t, cert, key, "first")
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(free.Addr().String())
		free.Close()
		say := "https://" + c.name + ":" + port + strings.ReplaceAll(c.behind, "PIN", pin.Of(pair.Leaf))
		owner := l.run(l.command("serve", "--listen", "127.0.0.1:"+port, "--tls-cert", cert, "--tls-key", key, "--advertise", say))
		owner.shows("use it:")
		cmd := l.command("serve", "--listen", "127.0.0.1:0")
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+cert)
		other := l.run(cmd)
		other.shows("use it:")
		use := regexp.MustCompile(`TUNER_URL=(\S+) TUNER_TOKEN_FILE=(\S+)`).FindStringSubmatch(other.shown.String())
		token, err := os.ReadFile(use[2])
		if err != nil {
			t.Fatal(err)
		}
		ask := func(base, method, path, body string) string {
			t.Helper()
			r, err := http.NewRequest(method, base+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
			r.Header.Set("Content-Type", "application/json")
			resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode/100 != 2 {
				t.Fatalf("%s: %d %s %v", path, resp.StatusCode, text, err)
			}
			return string(text)
		}
		ask("https://127.0.0.1:"+port, "POST", "/v1/projects/default/studies",
			`{"name":"s","space":{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]},"objectives":[{"metric":"loss","goal":"min"}]}`)
		ask(use[1], "PATCH", "/v1/projects/default/studies/s", `{"budget":{"trials":7}}`)
		if got := strings.Contains(ask(use[1], "GET", "/metrics", ""), "tuner_forwarded_requests_total 1"); got != c.forwarded {
			t.Errorf("%s: sent on %v, want %v\n%s", say, got, c.forwarded, other.shown.String())
		}
		for _, s := range []*sweep{owner, other} {
			s.signal(syscall.SIGTERM)
			s.exits(0)
		}
	}
}

// TestListening: what cannot be right is refused before anything is made.
func TestListening(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for want, args := range map[string][]string{
		"is no address to listen on":     {"--listen", "7070"},
		"belong together":                {"--tls-cert", "x"},
		"cannot use the certificate":     {"--listen", "127.0.0.1:0", "--tls-cert", "none", "--tls-key", "none"},
		"is no address of a proxy":       {"--behind-proxy", "nginx"},
		"is everybody":                   {"--behind-proxy", "0.0.0.0/0"},
		"cannot listen on 192.0.2.1:707": {"--listen", "192.0.2.1:7070"},
		"only https keeps them":          {"--advertise", "http://10.0.0.5:7070"},
		"is no address of a server":      {"--advertise", "https://10.0.0.5/x"},
		"is no pin":                      {"--advertise", "https://10.0.0.5:7070#sha256:x"},
	} {
		if out := l.run(l.command(append([]string{"serve"}, args...)...)).exits(2); !strings.Contains(out, want) {
			t.Errorf("%v: %s", args, out)
		}
	}
	if _, err := os.Stat(l.db); err == nil {
		t.Error("a server that was refused made a database")
	}

	// Behind a proxy it speaks plain http, to the proxy and this machine only.
	s := l.run(l.command("serve", "--listen", "0.0.0.0:0", "--behind-proxy", "192.0.2.7", "--host", "tuner.example"))
	s.shows("use it:  export TUNER_URL=https://tuner.example ")
	if _, err := os.Stat(filepath.Join(l.dir, "tuner.tls.key")); err == nil {
		t.Error("a server behind a proxy made a key")
	}
	s.signal(syscall.SIGTERM)
	s.exits(0)
}
