// Package pin knows a TLS server by its public key instead of by a name that an
// authority vouches for.
package pin

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

const scheme = "sha256:"

// Of is the pin of a certificate: "sha256:" and the SHA-256 of its public key (the
// DER of SubjectPublicKeyInfo) in base64. A new certificate of the same key has
// the same pin. It is what curl --pinnedpubkey takes, with "sha256//" before it.
func Of(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return scheme + base64.StdEncoding.EncodeToString(sum[:])
}

// Check reports whether text is a pin.
func Check(text string) error {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, scheme))
	if err != nil || len(b) != sha256.Size || !strings.HasPrefix(text, scheme) {
		return types.Errorf(types.Invalid, "%q is no pin", text).WithField("pin").
			WithRemedy("copy what tuner serve prints, such as sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	}
	return nil
}

// TLS is the configuration of a client that trusts the server with a pin, whatever
// its name, and no other. The pin is one that Check takes.
func TLS(text string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The key is checked instead, for every connection, also a resumed one.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(s tls.ConnectionState) error {
			got := Of(s.PeerCertificates[0])
			if subtle.ConstantTimeCompare([]byte(got), []byte(text)) != 1 {
				return types.Errorf(types.Invalid, "the server has the pin %s, not %s", got, text).WithField("pin").
					WithRemedy("it is another server, or its key was replaced: compare with what tuner serve prints there")
			}
			return nil
		},
	}
}
