//go:build linux

package conformance_test

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// interopCases are those of grpc-go's interop client that need nothing but a
// server: unary calls, streams in each direction and both, half-closes,
// deadlines, cancellation, metadata, trailers, statuses.
var interopCases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
}

// interopServer starts grpc-go's interop server for host, until the test ends.
func (w *world) interopServer(t *testing.T) {
	t.Helper()
	cert, key, err := w.IssueFiles(host)
	if err != nil {
		t.Fatal(err)
	}
	ln, port := listen(t)
	_ = ln.Close() // the server has no way to tell which port it found
	cmd := exec.Command(tool(t, "server"), "-port", port, "-use_tls", "-tls_cert_file", cert, "-tls_key_file", key)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		w.SearchBytes(t, "output of the interop server", out.Bytes())
	})
	address := net.JoinHostPort("127.0.0.1", port)
	w.Lead(host, address)
	for range 600 {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the interop server does not listen:\n%s", out.Bytes())
}

// interop runs one case of the client under `authsome run`.
func (w *world) interop(t *testing.T, name string, more ...string) string {
	t.Helper()
	args := append([]string{"run", "--", tool(t, "client"), "-use_tls", "-server_host", host, "-server_port", "443", "-test_case", name}, more...)
	return w.ok(t, "", args...)
}

func TestGRPC(t *testing.T) {
	w := newWorld(t, host)
	w.interopServer(t)
	for _, name := range interopCases {
		t.Run("2011_"+name, func(t *testing.T) { w.interop(t, name) })
	}
	t.Run("2012_rpc_soak", func(t *testing.T) {
		iterations, threads := 50, 10
		if full() {
			iterations = 1000
		}
		w.interop(t, "rpc_soak", "-soak_iterations", fmt.Sprint(iterations*threads), "-soak_num_threads", fmt.Sprint(threads),
			"-soak_max_failures", "0", "-soak_overall_timeout_seconds", "500", "-soak_per_iteration_max_acceptable_latency_ms", "60000")
	})
	t.Run("every_call_was_authorized", func(t *testing.T) {
		if log := w.ok(t, "", "log", "-n", "5"); strings.Count(log, host) < 5 {
			t.Errorf("%s", log)
		}
	})
}
