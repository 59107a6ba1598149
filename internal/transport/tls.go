package transport

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"
)

// TLS names the PEM files that a program's connections are secured with. The zero TLS means connections in the clear.
// The errors call the files what operators call them in flags and configuration: ca, crt and pk.
type TLS struct {
	CA   string // certificates of the authorities that the other side's certificate must be signed by
	Cert string // this side's certificate, followed by its intermediates if it has any
	Key  string // the certificate's private key
	// OneWay makes a server with a CA not ask its clients for a certificate: the CA then serves only to verify the
	// servers that the same program is a client of.
	OneWay bool
}

// Server returns the credentials of a server: none; Cert and Key; or all three, and then clients must present a
// certificate signed by the CA unless OneWay is set.
func (t TLS) Server() (*Credentials, error) {
	if t.CA != "" && t.Cert == "" && t.Key == "" {
		return nil, fmt.Errorf("tls: ca is set (%s), but a server also needs crt and pk", t.CA)
	}
	return newCredentials(t, TLS.serverConfig)
}

// Client returns the credentials of a client: none; the CA, to verify the server; or all three, to present a
// certificate as well.
func (t TLS) Client() (*Credentials, error) {
	if t.CA == "" && t.Cert != "" && t.Key != "" {
		return nil, fmt.Errorf("tls: crt and pk are set (%s, %s), but a client also needs ca, to verify servers", t.Cert, t.Key)
	}
	return newCredentials(t, TLS.clientConfig)
}

func (t TLS) check() error {
	switch {
	case t.Cert != "" && t.Key == "":
		return fmt.Errorf("tls: crt is set (%s), but pk is missing", t.Cert)
	case t.Key != "" && t.Cert == "":
		return fmt.Errorf("tls: pk is set (%s), but crt is missing", t.Key)
	}
	return nil
}

// Expires returns when this side's own certificate ends, the zero time without one.
func (t TLS) Expires() (time.Time, error) {
	if t.Cert == "" {
		return time.Time{}, nil
	}
	pair, err := loadKeyPair(t.Cert, t.Key)
	if err != nil {
		return time.Time{}, err
	}
	return pair.Leaf.NotAfter, nil
}

func (t TLS) none() bool { return t.CA == "" && t.Cert == "" && t.Key == "" }

func (t TLS) serverConfig() (*tls.Config, error) {
	cert, err := loadKeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if t.CA != "" && !t.OneWay {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		if config.ClientCAs, err = loadPool(t.CA); err != nil {
			return nil, err
		}
	}
	return config, nil
}

func (t TLS) clientConfig() (*tls.Config, error) {
	pool, err := loadPool(t.CA)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	if t.Cert != "" {
		cert, err := loadKeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, err
		}
		// A function, because a certificate in the configuration itself is withheld from a server that lists
		// authorities it doesn't know it to be signed by, and the server's complaint would be that there is none.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return config, nil
}

func loadPool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls: ca: %w", err)
	}
	pool, found := x509.NewCertPool(), false
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("tls: ca: %s: %w", file, err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, fmt.Errorf("tls: ca: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

func loadKeyPair(crt, pk string) (tls.Certificate, error) {
	crtText, err := os.ReadFile(crt)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tls: crt: %w", err)
	}
	pkText, err := os.ReadFile(pk)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tls: pk: %w", err)
	}
	if !hasPEM(crtText, func(kind string) bool { return kind == "CERTIFICATE" }) {
		return tls.Certificate{}, fmt.Errorf("tls: crt: %s holds no certificate in PEM form", crt)
	}
	if !hasPEM(pkText, func(kind string) bool { return strings.HasSuffix(kind, "PRIVATE KEY") }) {
		return tls.Certificate{}, fmt.Errorf("tls: pk: %s holds no private key in PEM form", pk)
	}
	cert, err := tls.X509KeyPair(crtText, pkText)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tls: crt %s and pk %s: %w", crt, pk, err)
	}
	return cert, nil
}

func hasPEM(text []byte, want func(kind string) bool) bool {
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return false
		}
		if want(b.Type) {
			return true
		}
	}
}
