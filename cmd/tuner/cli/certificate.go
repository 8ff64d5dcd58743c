package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gotuner/tuner/internal/filelock"
)

// ownCertificate is the certificate of a server that has no other. Its key lies
// in a file that only the user can read and stays the same, and with it the pin;
// the certificate is made anew at each start, for the names under which the server
// is reached then.
func ownCertificate(path string, names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ownKey(path)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	const lasts = 10 * 365 * 24 * time.Hour
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "tuner serve"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lasts),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, usagef("cannot make a certificate: %w", err).WithRemedy("see the names of --host, or give a certificate with --tls-cert and --tls-key")
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

const keyBlock = "PRIVATE KEY"

// ownKey reads the key of the server, or makes it.
func ownKey(path string) (key *ecdsa.PrivateKey, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, usagef("cannot make the folder of the server's key: %w", err)
	}
	lock, err := filelock.Wait(path + ".lock")
	if err != nil {
		return nil, usagef("cannot write beside the server's key %s: %w", path, cause(err))
	}
	defer func() { _ = lock.Release() }() // it ends with the process at the latest
	b, err := os.ReadFile(path)
	if err == nil {
		return parseKey(path, b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("cannot read the server's key %s: %w", path, cause(err))
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeSecret(path, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))
}

func parseKey(path string, b []byte) (*ecdsa.PrivateKey, error) {
	damaged := usagef("%s is no key that tuner has made", path).WithRemedy("remove it, and the next start makes another, with another pin")
	block, _ := pem.Decode(b)
	if block == nil || block.Type != keyBlock {
		return nil, damaged
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	k, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil, damaged
	}
	return k, nil
}

// writeSecret writes a file that only the user can read, whole or not at all.
func writeSecret(path string, b []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // made with mode 0600
	if err != nil {
		return usagef("cannot write %s: %w", path, cause(err))
	}
	_, err = temp.Write(b)
	err = join(join(err, temp.Sync()), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return join(usagef("cannot write %s: %w", path, cause(err)), os.Remove(temp.Name()))
	}
	return nil
}

// givenCertificate is a certificate in two files, which are read again when they
// have changed: certificates are renewed while servers run.
type givenCertificate struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	times  [2]time.Time
}

func (g *givenCertificate) load() error {
	times, err := g.modified()
	if err == nil {
		var c tls.Certificate
		if c, err = tls.LoadX509KeyPair(g.cert, g.key); err == nil {
			g.loaded, g.times = &c, times
			return nil
		}
	}
	return usagef("cannot use the certificate %s with the key %s: %w", g.cert, g.key, cause(err)).WithField("--tls-cert").
		WithRemedy("give PEM files of a certificate (with its chain) and its key, without a passphrase")
}

func (g *givenCertificate) modified() (t [2]time.Time, err error) {
	for i, path := range []string{g.cert, g.key} {
		info, err := os.Stat(path)
		if err != nil {
			return t, err
		}
		t[i] = info.ModTime()
	}
	return t, nil
}

// get is tls.Config.GetCertificate. While a renewal is half written the old
// certificate is used on.
func (g *givenCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if times, err := g.modified(); err != nil || times != g.times {
		if err := g.load(); err != nil {
			g.log.Warn("the old certificate is used on", "error", err)
		}
	}
	return g.loaded, nil
}
