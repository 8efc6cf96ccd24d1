package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
)

// TestRequestCounts: what one keep-alive request costs in the whole process,
// the test's client and server with it: system calls and allocations.
func TestRequestCounts(t *testing.T) {
	const requests = 500
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n"
	l := newLab(t, nil)
	body := strings.Repeat("0123456789abcdef", 64)
	l.raw("alpha.test:443", nil, answerWith(answer+body))
	c := l.tunnel("alpha.test")
	got := make([]byte, len(answer)+len(body))
	once := func() {
		_, err := io.WriteString(c.Conn, "GET /v1/models HTTP/1.1\r\nHost: alpha.test\r\nUser-Agent: sdk/1.0\r\nAccept: application/json\r\nX-Request-Id: 1\r\n\r\n")
		must(t, err)
		_, err = io.ReadFull(c.br, got)
		must(t, err)
	}
	once()
	allocations := testing.AllocsPerRun(requests, once)
	reads, writes := systemCalls(t)
	for range requests {
		once()
	}
	moreReads, moreWrites := systemCalls(t)
	r, w := float64(moreReads-reads)/requests, float64(moreWrites-writes)/requests
	t.Logf("a request: %.1f allocations, %.2f reads, %.2f writes", allocations, r, w)
	// Client and server write once each, and the proxy twice; the runtime wakes
	// its own poller with a write now and then. Each of the four reads may find
	// nothing first; that of the answer is the look at the idle connection.
	if allocations > 42 || r > 8.5 || w > 4.9 {
		t.Errorf("a request costs %.1f allocations, %.2f reads, %.2f writes", allocations, r, w)
	}
}

// systemCalls are the reads and writes that the process has made.
func systemCalls(t *testing.T) (reads, writes int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "syscr: %d", &reads)
		_, _ = fmt.Sscanf(line, "syscw: %d", &writes)
	}
	return reads, writes
}

// answerWith answers each head with the same text, without reading it twice.
func answerWith(text string) func(br *bufio.Reader, conn net.Conn) {
	return func(br *bufio.Reader, conn net.Conn) {
		for {
			line, err := br.ReadSlice('\n')
			if err == nil && len(line) == 2 {
				_, err = io.WriteString(conn, text)
			}
			if err != nil {
				return
			}
		}
	}
}
