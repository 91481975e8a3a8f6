package kubernetes

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// lifetime of the CA and of every certificate: a stack that is kept for longer
// is due for a new one.
const lifetime = 5 * 365 * 24 * time.Hour

// issuer is a CA.
type issuer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// certificates makes all keys and certificates, or finds those of the last time.
//
// There are two CAs. One is trusted for servers: etcd and the API server have one
// certificate of it, by which they know each other. The other is trusted for the
// API server's clients, which etcd does not know.
func (s *Server) certificates() error {
	const last = "admin"
	if _, err := os.Stat(s.path(last + ".key")); err == nil {
		return nil
	}
	if err := s.writeKey("service-accounts.key", nil); err != nil {
		return err
	}
	err := s.pair("ca", "server", x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:    []string{"localhost", "kubernetes.default.svc"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	return s.pair("clients-ca", last, x509.Certificate{
		// RBAC's bootstrap policy gives this group everything.
		Subject:     pkix.Name{CommonName: "rollcall-admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// pair makes a CA, ca.crt, and one certificate of it. The CA's key is kept
// nowhere.
func (s *Server) pair(ca, name string, of x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	template, err := withDates(x509.Certificate{
		Subject: pkix.Name{CommonName: "rollcall-" + ca}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	if err := s.writePEM(ca+".crt", "CERTIFICATE", der); err != nil {
		return err
	}
	return s.issue(&issuer{certificate: certificate, key: key}, name, of)
}

// issue makes a key and its certificate, name.key and name.crt.
func (s *Server) issue(ca *issuer, name string, of x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	of.KeyUsage = x509.KeyUsageDigitalSignature
	template, err := withDates(of)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	if err := s.writePEM(name+".crt", "CERTIFICATE", der); err != nil {
		return err
	}
	return s.writeKey(name+".key", key)
}

// writeKey writes a private key, a new one if none is given.
func (s *Server) writeKey(name string, key *ecdsa.PrivateKey) error {
	if key == nil {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("kubernetes: %w", err)
		}
		key = made
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	return s.writePEM(name, "EC PRIVATE KEY", der)
}

func (s *Server) writePEM(name, kind string, der []byte) error {
	return s.write(name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// withDates adds a serial number and how long the certificate is good for. A
// clock that is set back a little does not stop the servers.
func withDates(c x509.Certificate) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	now := time.Now()
	c.SerialNumber, c.NotBefore, c.NotAfter = serial, now.Add(-24*time.Hour), now.Add(lifetime)
	return &c, nil
}
