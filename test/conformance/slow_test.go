//go:build linux

package conformance_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestSlow_H023: hundreds of connections that send a head byte by byte, send a
// body byte by byte or read byte by byte leave the proxy available to others,
// on its port and inside of tunnels.
func TestSlow_H023(t *testing.T) {
	t.Parallel()
	w := newWorld(t, host)
	s := w.start(t)
	url := "http://" + s.renamed(t)
	for name, args := range map[string][]string{
		"head_port":   {"-H", "-u", "http://" + s.proxy + "/"},
		"head_tunnel": {"-H", "-u", url + "/"},
		"body_tunnel": {"-B", "-u", url + "/echo"},
		"read_tunnel": {"-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-u", url + "/bytes?n=1000000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// 100 connections in four seconds, a byte each 3 s, for 15 s; the probe waits 10 s for an answer.
			out := command(t, "slowhttptest", append([]string{"-c", "100", "-r", "25", "-i", "3", "-l", "15", "-p", "10"}, args...)...)
			if strings.Contains(out, "NO\x1b") || !strings.Contains(out, "YES\x1b") {
				t.Error(out)
			}
		})
	}
	t.Cleanup(func() {
		if len(w.Requests()) < 50 {
			t.Errorf("only %d requests reached the upstream", len(w.Requests()))
		}
	})
}

// renamed is the address of an adapter for a program that can't be told to
// say another Host than the address it connects to.
func (s *session) renamed(t *testing.T) string {
	t.Helper()
	ln, _ := listen(t)
	inner, _ := listen(t)
	s.adapt(t, inner, host+":443", &tls.Config{ServerName: host, RootCAs: s.roots})
	serveEach(t, ln, func(conn net.Conn) { rename(conn, inner.Addr().String(), ln.Addr().String()) })
	return ln.Addr().String()
}

// rename passes a connection on with host in the place of name.
func rename(conn net.Conn, address, name string) {
	defer conn.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	var group sync.WaitGroup
	group.Go(func() { pass(conn, to) })
	buffer := make([]byte, 32<<10)
	for err == nil {
		var n int
		if n, err = conn.Read(buffer); n > 0 { // a head comes in one piece
			_, _ = to.Write(bytes.ReplaceAll(buffer[:n], []byte("Host: "+name), []byte("Host: "+host)))
		}
	}
	_ = to.Close()
	group.Wait()
}
