package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"text/template"
	"time"
)

// contestant is one way to the upstream.
type contestant struct {
	name  string
	about string // for the report
	start func(context.Context, *world) (*running, error)

	injects bool // it puts the credential on requests
	http2   bool // it speaks HTTP/2 with the client
	blind   bool // it takes part where hosts are not intercepted
}

// running is a contestant that can be used.
type running struct {
	*process // nil for none
	client   *client
}

const (
	direct   = "direct"
	splice   = "tunnel"
	original = "mitmproxy"
	ours     = "authsome"
)

// goPeers are the intercepting proxies that the goals compare with.
func goPeers() []string { return []string{"goproxy", "martian"} }

func contestants() []contestant {
	return []contestant{
		{name: direct, about: "no proxy", start: startDirect, http2: true},
		{name: splice, about: "CONNECT tunnel, 50 lines of Go that move bytes", start: startSplice, http2: true, blind: true},
		{name: original, about: "mitmdump with an addon of five lines, as the Python original ran it", start: startMitmproxy, injects: true, http2: true},
		{name: "goproxy", about: "elazarl/goproxy, ECDSA authority, certificate store, 256 idle connections", start: startPeer("goproxy"), injects: true},
		{name: "martian", about: "google/martian, 256 idle connections", start: startPeer("martian"), injects: true},
		{name: "squid", about: "Squid with ssl-bump and request_header_add", start: startSquid, injects: true},
		{name: ours, about: "authsome run: vault, injection, audit, redaction, strict parsing", start: startAuthsome, injects: true, http2: true, blind: true},
	}
}

func startDirect(_ context.Context, w *world) (*running, error) {
	roots, err := pool(w.path("roots.pem"))
	return &running{client: newClient("", w.secret, roots)}, err
}

func startSplice(ctx context.Context, w *world) (*running, error) {
	return w.serve(w.command(ctx, "splice"), w.secret, "roots.pem")
}

func startPeer(name string) func(context.Context, *world) (*running, error) {
	return func(ctx context.Context, w *world) (*running, error) {
		return w.serve(w.command(ctx, name, "-ca", w.path("interception.pem"), "-roots", w.path("roots.pem"), "-secret", w.secret), placeholder, "interception.pem")
	}
}

// serve starts a program that prints its address.
func (w *world) serve(cmd *exec.Cmd, header, roots string) (*running, error) {
	p, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	address, err := p.line()
	if err != nil {
		return nil, err
	}
	return w.ready(p, address, header, w.path(roots))
}

func (w *world) ready(p *process, address, header, roots string) (*running, error) {
	trusted, err := pool(roots)
	if err != nil {
		p.stop()
		return nil, err
	}
	return &running{p, newClient(address, header, trusted)}, nil
}

// startAuthsome keeps a run open: its command tells what a child is told and
// waits.
func startAuthsome(ctx context.Context, w *world) (*running, error) {
	p, err := launch(w.command(ctx, ours, "run", "--", "/bin/sh", "-c", `echo "$HTTPS_PROXY"; echo "$SSL_CERT_FILE"; exec cat`))
	if err != nil {
		return nil, err
	}
	text, err := p.line()
	if err != nil {
		return nil, err
	}
	proxy, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	bundle, err := p.line()
	if err != nil {
		return nil, err
	}
	return w.ready(p, proxy.Host, placeholder, bundle)
}

func startMitmproxy(ctx context.Context, w *world) (*running, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := w.command(ctx, "mitmdump", "-q", "--listen-host", "127.0.0.1", "--listen-port", port, "-s", w.source+"/peer/mitmproxy/inject.py",
		"--set", "confdir="+w.path("mitmproxy"), "--set", "ssl_verify_upstream_trusted_ca="+w.path("roots.pem"))
	cmd.Env = append(cmd.Env, "BENCH_SECRET="+w.secret, "PYTHONDONTWRITEBYTECODE=1")
	p, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	return w.whenListening(p, port, w.path("mitmproxy/mitmproxy-ca-cert.pem"))
}

func startSquid(ctx context.Context, w *world) (*running, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir := w.path("squid")
	if err := w.squidFolder(ctx, dir, port); err != nil {
		return nil, err
	}
	p, err := launch(w.command(ctx, "/usr/sbin/squid", "-N", "-f", dir+"/squid.conf"))
	if err != nil {
		return nil, err
	}
	p.helped = true
	return w.whenListening(p, port, w.path("interception.pem"))
}

// squidFolder has the configuration and the certificate store, which belong
// to squid's own user.
func (w *world) squidFolder(ctx context.Context, dir, port string) error {
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	if out, err := w.command(ctx, "/usr/lib/squid/security_file_certgen", "-c", "-s", dir+"/certs", "-M", "16MB").CombinedOutput(); err != nil {
		return fmt.Errorf("squid's certificate store: %w: %s", err, out)
	}
	config, err := template.ParseFiles(w.source + "/peer/squid/squid.conf")
	if err != nil {
		return err
	}
	file, err := os.Create(dir + "/squid.conf")
	if err != nil {
		return err
	}
	err = config.Execute(file, map[string]string{"Port": port, "Dir": dir, "CA": w.path("interception.pem"), "Roots": w.path("roots.pem"), "Secret": w.secret})
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return exec.CommandContext(ctx, "chown", "-R", "proxy", dir).Run()
}

// whenListening waits for a program that does not say when it is ready.
func (w *world) whenListening(p *process, port, roots string) (*running, error) {
	address := net.JoinHostPort("127.0.0.1", port)
	for range 600 {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return w.ready(p, address, placeholder, roots)
		}
		if p.cmd.Process.Signal(syscall.Signal(0)) != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.stop()
	return nil, fmt.Errorf("%s does not listen: %s", p.cmd.Path, p.errors.String())
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), l.Close()
}

// available reports why a contestant can't take part.
func (c contestant) available() error {
	switch c.name {
	case original:
		_, err := exec.LookPath("mitmdump")
		return err
	case "squid":
		if _, err := user.Lookup("proxy"); err != nil {
			return err
		}
		_, err := os.Stat("/usr/lib/squid/security_file_certgen")
		return err
	}
	return nil
}
