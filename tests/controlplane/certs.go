package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife outlasts every kept directory; nothing here is renewed.
const certificateLife = 10 * 365 * 24 * time.Hour

// An authority is a cluster's certificate authority and the folder its keys live in. A key once made is kept: a second start
// finds it again, so certificates and service account tokens issued before stay valid.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func openAuthority(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the key directory: %w", err)
	}
	a := &authority{dir: dir}
	key, err := a.keyOf("ca")
	if err != nil {
		return nil, err
	}
	a.key = key
	block, err := readPEM(a.path("ca.crt"), "CERTIFICATE")
	if err == nil {
		a.cert, err = x509.ParseCertificate(block)
		return a, err
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	template, err := newTemplate(pkix.Name{CommonName: "qianyun-controlplane-ca"})
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("signing the authority: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, writePEM(a.path("ca.crt"), "CERTIFICATE", der)
}

// issueServer writes <name>.crt for a server reached as host or on loopback.
func (a *authority) issueServer(name string, host net.IP) error {
	template, err := newTemplate(pkix.Name{CommonName: name})
	if err != nil {
		return err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost", "kubernetes.default.svc"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), firstServiceIP, host}
	_, err = a.issue(name, template)
	return err
}

// issueClient writes <name>.crt for a user and returns its PEM texts.
func (a *authority) issueClient(name, user string, groups []string) (*clientPair, error) {
	template, err := newTemplate(pkix.Name{CommonName: user, Organization: groups})
	if err != nil {
		return nil, err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(name, template)
}

// A clientPair is a certificate and its key, PEM-encoded.
type clientPair struct{ cert, key []byte }

func (a *authority) issue(name string, template *x509.Certificate) (*clientPair, error) {
	key, err := a.keyOf(name)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("signing certificate %s: %w", name, err)
	}
	if err := writePEM(a.path(name+".crt"), "CERTIFICATE", der); err != nil {
		return nil, err
	}
	keyText, err := os.ReadFile(a.path(name + ".key"))
	return &clientPair{cert: encodePEM("CERTIFICATE", der), key: keyText}, err
}

// keyOf reads <name>.key, or makes it on first use.
func (a *authority) keyOf(name string) (*ecdsa.PrivateKey, error) {
	path := a.path(name + ".key")
	der, err := readPEM(path, "EC PRIVATE KEY")
	if err == nil {
		return x509.ParseECPrivateKey(der)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating %s: %w", path, err)
	}
	if der, err = x509.MarshalECPrivateKey(key); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", path, err)
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func newTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour), // tolerates machines whose clock is a little behind
		NotAfter:     now.Add(certificateLife),
	}, nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func writePEM(path, kind string, der []byte) error { return replaceFile(path, encodePEM(kind, der)) }

func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

// replaceFile writes the whole file or nothing, whenever the process is killed.
func replaceFile(path string, content []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", next, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	return nil
}
