//go:build linux

package conformance_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestZzuf_H026: requests with flipped bits are answered or refused, at once,
// and the credential goes to nobody else.
func TestZzuf_H026(t *testing.T) {
	t.Parallel()
	w := newWorld(t, host)
	s := w.start(t)
	seeds := 150
	if full() {
		seeds = 2500
	}
	valid := []string{
		"GET /headers?a=b HTTP/1.1\r\nHost: " + host + "\r\nAccept: */*\r\nX-Api: authsome-proxy-managed\r\nConnection: close\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n",
	}
	answers := map[string]int{}
	for seed := range seeds {
		for _, request := range valid {
			zzuf := exec.CommandContext(t.Context(), "zzuf", "-s", fmt.Sprint(seed), "-r", "0.0005:0.02")
			zzuf.Stdin = strings.NewReader(request)
			mutated, err := zzuf.Output()
			if err != nil {
				t.Fatal(err)
			}
			answers[s.say(t, mutated)]++
		}
	}
	if answers["200"] == 0 || answers["400"] == 0 {
		t.Errorf("answers: %v", answers)
	}
	for _, r := range w.Requests() {
		if text := fmt.Sprint(r.Target, r.Fields, r.Trailers); r.Via != host+":443" || r.Host != host || strings.Count(text, secret) != 1 {
			t.Errorf("%d credentials arrived with %s", strings.Count(text, secret), r)
		}
	}
	if whole, told := fetch(s.browser(t, s.proxy, true), requests()[0]); !whole {
		t.Errorf("afterwards: %q", told)
	}
}

// say sends bytes into a tunnel of their own, and returns the answer's status,
// or "" if the connection was ended without one.
func (s *session) say(t *testing.T, request []byte) string {
	t.Helper()
	tunnel, err := s.dial(host + ":443")
	if err != nil {
		t.Fatal(err)
	}
	defer tunnel.Close()
	conn := tls.Client(tunnel, &tls.Config{ServerName: host, RootCAs: s.roots})
	_, err = conn.Write(request)
	if err == nil {
		_ = conn.CloseWrite()
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	answer, err := io.ReadAll(conn)
	if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
		t.Errorf("no answer to %q within 30 s", request)
	}
	if bytes.Contains(answer, []byte(secret)) {
		t.Errorf("%q is answered with the credential", request)
	}
	if len(answer) < len("HTTP/1.1 200") {
		return ""
	}
	return string(answer[len("HTTP/1.1 "):len("HTTP/1.1 200")])
}
