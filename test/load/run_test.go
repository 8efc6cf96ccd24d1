//go:build linux

package load_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"authsome/test/lab"
)

// patience is for what should be quick, on a machine that is busy.
const patience = 2 * time.Minute

// world is one user's authsome with the upstream as the rest of the world.
type world struct {
	*upstream
	dir, bin string
	env      []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	u, err := newUpstream(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.close)
	w := &world{upstream: u, dir: dir, bin: lab.Build(t)}
	w.env = []string{
		"AUTHSOME_HOME=" + filepath.Join(dir, "authsome"), "HOME=" + dir, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH"),
		"HTTPS_PROXY=" + u.URL(), "SSL_CERT_FILE=" + u.ca,
	}
	w.define(t, "load", `"auth_type": "api_key", "flow": "api_key", "host_url": "`+apiHost+`",
		"inject": [{"kind": "header", "name": "Authorization", "value": "Bearer {api_key}"}]`)
	w.do(t, "load-key-0123456789abcdef", "login", "load", "--with-token")
	return w
}

func (w *world) define(t *testing.T, name, rest string) {
	t.Helper()
	file := filepath.Join(w.dir, name+".json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"schema_version": 1, "name": %q, "display_name": %q, %s}`, name, name, rest), 0o600); err != nil {
		t.Fatal(err)
	}
	w.do(t, "", "register", "--yes", file)
}

// do runs authsome, which has to succeed.
func (w *world) do(t *testing.T, stdin string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Env, cmd.Stdin, cmd.Dir = w.env, strings.NewReader(stdin), "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("authsome %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// run is an authsome whose child waits. The clients are in this process: they
// have the same user, and descriptors of their own.
type run struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	proxy *url.URL
	roots *x509.CertPool
	ended chan error
}

// start starts a run. prefix are words of a shell that go before it.
func (w *world) start(t *testing.T, prefix string, env ...string) *run {
	t.Helper()
	const child = `echo "$HTTPS_PROXY"; echo "$AUTHSOME_CA_FILE"; cat`
	cmd := exec.Command("/bin/sh", "-c", prefix+` exec "$0" run -- /bin/sh -c '`+child+`'`, w.bin)
	cmd.Env, cmd.Dir, cmd.Stderr = append(slices.Clone(w.env), env...), "/", os.Stderr
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, cmd: cmd, stdin: stdin, ended: make(chan error, 1)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = stdin.Close()
	})
	lines := bufio.NewReader(stdout)
	address, _ := lines.ReadString('\n')
	file, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal("the run did not start: ", err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines); r.ended <- cmd.Wait() }()
	if r.proxy, err = url.Parse(strings.TrimSpace(address)); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(strings.TrimSpace(file))
	if err != nil {
		t.Fatal(err)
	}
	r.roots = x509.NewCertPool()
	r.roots.AppendCertsFromPEM(pem)
	return r
}

// end ends the child and returns how long authsome lasted after that.
func (r *run) end() time.Duration {
	r.t.Helper()
	begin := time.Now()
	_ = r.stdin.Close()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("the run ended with %v", err)
		}
	case <-time.After(patience):
		r.t.Fatal("authsome does not end with its child")
	}
	return time.Since(begin)
}

// memory is authsome's resident set, in MiB.
func (r *run) memory() float64 { return r.status("VmRSS") / 1024 }

// descriptors is how many authsome has open.
func (r *run) descriptors() int {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(files)
}

// status is a number of /proc/PID/status.
func (r *run) status(name string) (value float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			_, _ = fmt.Sscan(rest, &value)
		}
	}
	return value
}

// tunnel is a TLS connection to a host through the proxy.
type tunnel struct {
	net.Conn
	br *bufio.Reader
}

func (r *run) tunnel(ctx context.Context, host, protocol string) (*tunnel, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.proxy.Host)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if err := r.connect(conn, host); err != nil {
		_ = conn.Close()
		return nil, err
	}
	secure := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: r.roots, NextProtos: []string{protocol}})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return &tunnel{Conn: secure}, nil
}

func (r *run) connect(conn net.Conn, host string) error {
	password, _ := r.proxy.User.Password()
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: host + ":443"}, Host: host + ":443", Header: http.Header{}}
	if r.proxy.User != nil {
		basic := &http.Request{Header: http.Header{}}
		basic.SetBasicAuth(r.proxy.User.Username(), password)
		request.Header["Proxy-Authorization"] = basic.Header["Authorization"]
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), request)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New("CONNECT: " + response.Status)
	}
	return err
}

// get makes one request and reads its answer, holding no buffer in between.
func (c *tunnel) get(host, target string, wait time.Duration) (string, error) {
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

func (r *run) signal(s syscall.Signal) {
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}
