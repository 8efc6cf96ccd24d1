package ca

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A client connects to 127.0.0.1:port, expects name there, trusts the file
// bundle, and exits with 0 only when it accepted the certificate.
type client struct {
	name    string
	command func(name, port, bundle string) []string
}

// connect lets the client, which trusts only what trusted says, connect to a
// server with leaf.
func (c client) connect(t *testing.T, host string, leaf *tls.Certificate, trusted []byte, accept bool) {
	t.Helper()
	port, bundle := serve(t, leaf), filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundle, trusted, 0o600); err != nil {
		t.Fatal(err)
	}
	argv := c.command(host, port, bundle)
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	if accepted := err == nil; accepted != accept {
		t.Errorf("accepted: %v, want %v\n%s", accepted, accept, out)
	}
}

var clients = []client{
	{"openssl", func(name, port, bundle string) []string {
		expect := []string{"-servername", name, "-verify_hostname", name}
		if net.ParseIP(name) != nil {
			expect = []string{"-verify_ip", name}
		}
		return append([]string{"openssl", "s_client", "-connect", "127.0.0.1:" + port,
			"-x509_strict", "-verify_return_error", "-CAfile", bundle, "-no-CApath", "-no-CAstore"}, expect...)
	}},
	{"curl", func(name, port, bundle string) []string {
		return []string{"curl", "-sS", "-m", "20", "--noproxy", "*", "--cacert", bundle, "--capath", "/nonexistent",
			"--connect-to", "::127.0.0.1:" + port, "https://" + name + "/"}
	}},
	{"python", func(name, port, bundle string) []string {
		return []string{"python3", "-I", "-c", `
import socket, ssl, sys
name, port, bundle = sys.argv[1:]
ctx = ssl.create_default_context(cafile=bundle)
# What Python 3.13 turned on by default.
ctx.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
with socket.create_connection(("127.0.0.1", int(port)), 20) as s:
    with ctx.wrap_socket(s, server_hostname=name) as t:
        t.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert t.recv(8) == b"HTTP/1.1"
`, name, port, bundle}
	}},
	{"node", func(name, port, bundle string) []string {
		return []string{"env", "NODE_EXTRA_CA_CERTS=" + bundle, "node", "-e", `
const [name, port] = process.argv.slice(1);
const isIP = require('net').isIP(name) !== 0;
const s = require('tls').connect({host: '127.0.0.1', port, ...(isIP ? {} : {servername: name}),
  checkServerIdentity: (_, cert) => require('tls').checkServerIdentity(name, cert)}, () => {
  if (!s.authorized) process.exit(3);
  s.end(); process.exit(0);
});
s.on('error', e => { console.error(e.message); process.exit(2); });
`, name, port}
	}},
}

func TestRealClients(t *testing.T) {
	names := mustNew(t, "api.a.test", "*.b.test")
	addresses := mustNew(t, "127.0.0.1")
	for _, tt := range []struct {
		name   string
		a      *Authority
		host   string
		leaf   *tls.Certificate
		accept bool
	}{
		{"T012_exact", names, "api.a.test", mustLeaf(t, names, "api.a.test"), true},
		{"T012_wildcard", names, "y.x.b.test", mustLeaf(t, names, "y.x.b.test"), true},
		{"T012_address", addresses, "127.0.0.1", mustLeaf(t, addresses, "127.0.0.1"), true},
		{"T012_forged_name", names, "evil.test", forgeTLS(t, names, []string{"evil.test"}, nil), false},
		{"T012_forged_second_name", names, "api.a.test", forgeTLS(t, names, []string{"api.a.test", "evil.test"}, nil), false},
		{"T012_forged_address", names, "127.0.0.1", forgeTLS(t, names, nil, []net.IP{{127, 0, 0, 1}}), false},
		{"T012_forged_name_of_address_root", addresses, "evil.test", forgeTLS(t, addresses, []string{"evil.test"}, nil), false},
		{"T021_other_run", mustNew(t, "api.a.test"), "api.a.test", mustLeaf(t, names, "api.a.test"), false},
	} {
		for _, c := range clients {
			t.Run(tt.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				c.connect(t, tt.host, tt.leaf, tt.a.PEM(), tt.accept)
			})
		}
	}
}

// openssl verify looks at the chain alone, as tools that check files do.
func TestOpenSSLVerify(t *testing.T) {
	a := mustNew(t, "api.a.test")
	dir := t.TempDir()
	root := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(root, a.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		leaf   *x509.Certificate
		accept bool
	}{
		"leaf":           {mustLeaf(t, a, "api.a.test").Leaf, true},
		"forged name":    {forge(t, a, []string{"evil.test"}, nil), false},
		"forged address": {forge(t, a, nil, []net.IP{{192, 0, 2, 1}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "leaf.pem")
			block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tt.leaf.Raw})
			if err := os.WriteFile(file, block, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", "sslserver",
				"-no-CApath", "-no-CAstore", "-CAfile", root, file).CombinedOutput()
			if (err == nil) != tt.accept {
				t.Errorf("%v, want accepted: %v\n%s", err, tt.accept, out)
			}
		})
	}
}

func forgeTLS(t *testing.T, a *Authority, names []string, ips []net.IP) *tls.Certificate {
	leaf := forge(t, a, names, ips)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: a.leaves.key, Leaf: leaf}
}

// serve answers every connection with one HTTP response and returns its port.
func serve(t *testing.T, leaf *tls.Certificate) (port string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*leaf}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answer(conn)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// answer writes its response without waiting for the request, which some of
// the clients never send.
func answer(conn net.Conn) {
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); err != nil {
		return
	}
	conn.(*tls.Conn).CloseWrite()
	buf := make([]byte, 1024)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}
