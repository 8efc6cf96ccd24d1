//go:build linux

package load_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// works makes a request on a tunnel of its own.
func (r *run) works() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	c, err := r.tunnel(ctx, apiHost, "http/1.1")
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	if body, err := c.get(apiHost, "/", patience); err != nil || body != "hello" {
		r.t.Fatalf("%q, %v", body, err)
	}
}

// Out of descriptors, authsome accepts nobody for a while, serves whom it has,
// and goes on when there are some again.
func TestDescriptors_F004(t *testing.T) {
	w := newWorld(t)
	r := w.start(t, "ulimit -n 256;")
	tunnels := r.crowd(20)
	r.ask(tunnels, time.Second, 500*time.Millisecond) // their upstream connections are there
	var crowd []net.Conn
	for range 1000 {
		conn, err := net.Dial("tcp", r.proxy.Host)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, conn)
	}
	took := r.ask(tunnels, 100*time.Millisecond, time.Second)
	t.Logf("%d requests on tunnels that were there, p50 %v", len(took), took[len(took)/2])
	for _, conn := range crowd {
		_ = conn.Close()
	}
	r.works()
	r.end()
}

// Connections that are closed as soon as they are there do no harm.
func TestStorm_F005(t *testing.T) {
	w := newWorld(t)
	r := w.start(t, "")
	tunnels := r.crowd(1)
	end := time.Now().Add(size(3*time.Second, 30*time.Second))
	var group sync.WaitGroup
	counts := make([]int, 8)
	for i := range counts {
		group.Go(func() {
			for time.Now().Before(end) {
				conn, err := net.Dial("tcp", r.proxy.Host)
				if err != nil {
					t.Error(err)
					return
				}
				counts[i]++
				_ = conn.(*net.TCPConn).SetLinger(0) // or the test runs out of ports
				_ = conn.Close()
			}
		})
	}
	group.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	r.ask(tunnels, time.Second, time.Millisecond)
	r.works()
	t.Logf("%d connections, then %.0f MiB", total, r.memory())
	r.end()
}

// Resets in the middle of answers, from either side, concern their own tunnel.
func TestResets(t *testing.T) {
	w := newWorld(t)
	r := w.start(t, "")
	tunnels := r.crowd(size(50, 500))
	stay, leave := tunnels[:len(tunnels)/2], tunnels[len(tunnels)/2:]
	for _, c := range leave {
		if _, err := fmt.Fprintf(c, "GET /bytes?n=100000000 HTTP/1.1\r\nHost: %s\r\n\r\n", apiHost); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range leave {
		_, _ = io.ReadFull(c, make([]byte, 1000))
		reset(c)
	}
	r.ask(stay, 100*time.Millisecond, 500*time.Millisecond)
	for deadline := time.Now().Add(patience); w.conns.Load() > int64(len(stay)); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d upstream connections are left of answers that nobody reads", w.conns.Load())
		}
	}
	r.works()
	r.end()
}

func reset(c *tunnel) {
	if under, ok := c.Conn.(interface{ NetConn() net.Conn }); ok {
		_ = under.NetConn().(*net.TCPConn).SetLinger(0)
		_ = under.NetConn().Close()
	}
}

// A process that stands still and goes on has lost nothing.
func TestStopped(t *testing.T) {
	still := size(1*time.Second, 10*time.Second)
	const n = 20 << 20
	sum := sha256.New()
	_, _ = io.CopyN(sum, pattern{}, n)
	want := fmt.Sprintf("%x", sum.Sum(nil))
	w := newWorld(t)
	// download reads the body while the process at pid stands still in its middle.
	download := func(t *testing.T, r *run, stop, resume func()) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := r.tunnel(ctx, apiHost, "http/1.1")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = fmt.Fprintf(c, "GET /bytes?n=%d HTTP/1.1\r\nHost: %s\r\n\r\n", n, apiHost)
		body := bodyOf(t, c)
		got := sha256.New()
		_, _ = io.CopyN(got, body, n/4)
		stop()
		time.AfterFunc(still, resume)
		if _, err := io.Copy(got, body); err != nil || fmt.Sprintf("%x", got.Sum(nil)) != want {
			t.Errorf("%v, or another body", err)
		}
	}
	t.Run("F008_authsome", func(t *testing.T) {
		r := w.start(t, "")
		download(t, r, func() { r.signal(syscall.SIGSTOP) }, func() { r.signal(syscall.SIGCONT) })
		r.works()
		r.end()
	})
	t.Run("F008_upstream", func(t *testing.T) {
		other, proxy, ca := startUpstream(t)
		r := w.start(t, "", "HTTPS_PROXY="+proxy, "SSL_CERT_FILE="+ca)
		download(t, r, func() { _ = other.Signal(syscall.SIGSTOP) }, func() { _ = other.Signal(syscall.SIGCONT) })
		r.works()
		r.end()
	})
	t.Run("F008_child", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, w.bin, "run", "--", "/bin/sh", "-c",
			fmt.Sprintf(`echo $$; read line; exec curl -sS --limit-rate 10M 'https://%s/bytes?n=%d'`, apiHost, n))
		cmd.Env, cmd.Dir, cmd.Stderr = w.env, "/", os.Stderr
		stdin, _ := cmd.StdinPipe()
		stdout, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(stdout)
		var pid int
		line, _ := br.ReadString('\n')
		_, _ = fmt.Sscan(line, &pid)
		_, _ = io.WriteString(stdin, "go\n")
		got := sha256.New()
		_, _ = io.CopyN(got, br, n/8)
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		time.AfterFunc(still, func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
		_, errCopy := io.Copy(got, br)
		if err := cmd.Wait(); err != nil || errCopy != nil || fmt.Sprintf("%x", got.Sum(nil)) != want {
			t.Errorf("%v, %v, or another body", err, errCopy)
		}
	})
}

// bodyOf is the body of an answer.
func bodyOf(t *testing.T, c *tunnel) io.Reader {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response.Body
}

// startUpstream starts an upstream in a process of its own.
func startUpstream(t *testing.T) (process *os.Process, proxy, ca string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), upstreamVariable+"="+dir)
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process, strings.TrimSpace(line), filepath.Join(dir, "upstream-ca.pem")
}

// The child has the limit on descriptors that it would have without authsome,
// which itself may use all it can have.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ulimit -Sn 333; ulimit -Hn 3333; exec "$0" run -- /bin/sh -c 'ulimit -Sn; ulimit -Hn; grep "open files" /proc/$PPID/limits'`, w.bin)
	cmd.Env, cmd.Dir = w.env, "/"
	out, err := cmd.CombinedOutput()
	var childSoft, childHard, soft, hard int
	_, errScan := fmt.Sscanf(string(out), "%d\n%d\nMax open files %d %d", &childSoft, &childHard, &soft, &hard)
	if err != nil || errScan != nil || childSoft != 333 || childHard != 3333 || soft < 3332 {
		t.Errorf("%v, %v: %q", err, errScan, out)
	}
}
