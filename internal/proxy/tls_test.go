package proxy

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// TestUpstreamCertificates: nothing is written to a server that is not
// certainly the routed host.
func TestUpstreamCertificates(t *testing.T) {
	l := newLab(t, func(l *lab, _ *Proxy) { l.claims["a.b.test:443"] = true })
	with := func(cert *tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{*cert}} }
	constrained := newCertifier(t, "unused")
	constrained.cert, constrained.key = intermediate(t, l.web, func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"other.test"}
	})
	outside := constrained.leaf(nil, "alpha.test")
	outside.Certificate = append(outside.Certificate, constrained.cert.Raw)
	revoked := l.web.leaf(nil, "alpha.test")
	leaf, err := x509.ParseCertificate(revoked.Certificate[0])
	must(t, err)
	revoked.OCSPStaple, err = ocsp.CreateResponse(l.web.cert, l.web.cert, ocsp.Response{
		Status: ocsp.Revoked, SerialNumber: leaf.SerialNumber, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour), RevokedAt: time.Now(),
	}, l.web.key)
	must(t, err)
	for _, test := range []struct {
		name, host, reason string
		config             *tls.Config
	}{
		{"T001_self_signed", "alpha.test", "unknown authority", with(newCertifier(t, "x").leaf(nil, "alpha.test"))},
		{"T001_expired", "alpha.test", "expired", with(l.web.leaf(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "alpha.test"))},
		{"T001_not_yet", "alpha.test", "not yet valid", with(l.web.leaf(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, "alpha.test"))},
		{"T001_wrong_host", "alpha.test", "another host", with(l.web.leaf(nil, "evil.test"))},
		{"T001_rsa_1024", "alpha.test", "RSA key under 2048", with(rsaLeaf(t, l.web, 1024))},
		{"T001_cn_only", "alpha.test", "another host", with(l.web.leaf(func(c *x509.Certificate) { c.DNSNames = nil }, "alpha.test"))},
		{"T001_unknown_ca", "alpha.test", "unknown authority", with(l.run.leaf(nil, "alpha.test"))},
		{"T001_name_constraint", "alpha.test", "name constraints", with(outside)},
		{"T001_client_auth_only", "alpha.test", "not valid", with(l.web.leaf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "alpha.test"))},
		{"T002_wildcard", "a.b.test", "another host", with(l.web.leaf(nil, "*.test"))},
		{"T003_tls_1.1", "alpha.test", "protocol version", &tls.Config{Certificates: with(l.web.leaf(nil, "alpha.test")).Certificates, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}},
		{"T003_cbc", "alpha.test", "handshake failure", &tls.Config{Certificates: with(l.web.leaf(nil, "alpha.test")).Certificates, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}},
		{"T026_revoked", "alpha.test", "revoked", with(revoked)},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := l.raw(test.host+":443", test.config, nil)
			c := l.tunnel(test.host)
			c.say("GET / HTTP/1.1\nHost: " + test.host + "\n\n")
			a := c.answer("GET")
			if a.StatusCode != 502 || a.Header.Get("Authsome-Error") != "upstream_tls" || !strings.Contains(a.body, test.reason) {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if u.got() != "" || strings.Contains(a.body, "127.0.0.1") {
				t.Errorf("upstream got %q, client %s", u.got(), a.body)
			}
		})
	}
	t.Run("T026_no_staple", func(t *testing.T) {
		l.raw("alpha.test:443", nil, nil)
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

func intermediate(t *testing.T, parent *certifier, change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	c := newCertifier(t, "intermediate")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: c.cert.Subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &c.key.PublicKey, parent.key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, c.key
}

func rsaLeaf(t *testing.T, parent *certifier, bits int) *tls.Certificate {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(8), DNSNames: []string{"alpha.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestUpstreamWantsClientCertificate(t *testing.T) {
	for name, version := range map[string]uint16{"T015_1.2": tls.VersionTLS12, "T015_1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			u := l.raw("alpha.test:443", &tls.Config{
				Certificates: []tls.Certificate{*l.web.leaf(nil, "alpha.test")}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: version,
			}, nil)
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			a := c.answer("GET")
			if a.StatusCode != 502 || a.Header.Get("Authsome-Error") != "upstream_client_certificate" || !strings.Contains(a.body, "mTLS") {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if u.got() != "" {
				t.Errorf("upstream got %q", u.got())
			}
		})
	}
}

// TestUpstreamFaults is F001 and what is like it.
func TestUpstreamFaults(t *testing.T) {
	l := newLab(t, func(l *lab, p *Proxy) {
		p.Parent = nil
		l.claims = map[string]bool{"localhost:1": true, "no.such.invalid:443": true}
	})
	reset := l.listen()
	go func() {
		for {
			conn, err := reset.Accept()
			if err != nil {
				return
			}
			hello := make([]byte, 5)
			_, _ = io.ReadFull(conn, hello)
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}()
	plain := l.listen()
	go func() {
		for {
			conn, err := plain.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 smtp.test ESMTP\r\n")
			_ = conn.Close()
		}
	}()
	_, resetPort, _ := net.SplitHostPort(reset.Addr().String())
	_, plainPort, _ := net.SplitHostPort(plain.Addr().String())
	l.claims["localhost:"+resetPort], l.claims["localhost:"+plainPort] = true, true
	for name, test := range map[string]struct{ target, code string }{
		"F001_refused":  {"localhost:1", "upstream_refused"},
		"F001_nxdomain": {"no.such.invalid:443", "upstream_dns"},
		"F001_reset":    {"localhost:" + resetPort, "upstream_tls"},
		"F001_not_tls":  {"localhost:" + plainPort, "upstream_tls"},
	} {
		t.Run(name, func(t *testing.T) {
			host, _, _ := net.SplitHostPort(test.target)
			c, err := l.secure(l.connect(test.target), &tls.Config{ServerName: host})
			must(t, err)
			for range 2 { // the tunnel stays usable
				c.say("GET / HTTP/1.1\nHost: " + test.target + "\n\n")
				a := c.answer("GET")
				code := a.Header.Get("Authsome-Error")
				if a.StatusCode/100 != 5 || code != test.code && !(name == "F001_nxdomain" && a.StatusCode == 504) {
					t.Errorf("%d %s", a.StatusCode, a.body)
				}
				if strings.Contains(a.body, "127.0.0.1") || strings.Contains(a.body, "::1") || strings.Contains(a.body, canary) {
					t.Errorf("told too much: %s", a.body)
				}
			}
		})
	}
}

// TestAddressPolicy: a claimed name that resolves to a private address gets
// no credential; a claimed literal or localhost does.
func TestAddressPolicy(t *testing.T) {
	l := newLab(t, func(l *lab, p *Proxy) { p.Parent = nil })
	s := newServer(t.Context(), l.proxy)
	defer s.kill()
	for _, a := range []string{"127.0.0.1:443", "10.0.0.1:443", "[::1]:443", "[fd00::1]:443", "100.64.1.1:443", "[64:ff9b::a00:1]:443"} {
		_, err := s.dialAddress(t.Context(), a, publicly) // refused in Control, before a packet leaves
		if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Code != "private_address" {
			t.Errorf("S003 %s: %v", a, err)
		}
	}
	up := l.raw("unused:443", &tls.Config{Certificates: []tls.Certificate{*l.web.leaf(nil, "localhost", "127.0.0.1")}}, nil)
	_, port, _ := net.SplitHostPort(l.names["unused:443"])
	for _, host := range []string{"localhost", "127.0.0.1"} {
		l.claims[host+":"+port] = true
		c, err := l.secure(l.connect(host+":"+port), &tls.Config{ServerName: host})
		must(t, err)
		c.say("GET / HTTP/1.1\nHost: " + host + ":" + port + "\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", host, a.StatusCode, a.body)
		}
	}
	if n := strings.Count(up.got(), canary); n != 2 {
		t.Errorf("credential sent %d times", n)
	}
}
