//go:build linux

package conformance_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"testing"

	"golang.org/x/net/http2"
)

// plainServer answers every request for host with 200 and two bytes, in
// HTTP/1.1 or HTTP/2, and keeps nothing of it.
func (w *world) plainServer(t *testing.T) {
	t.Helper()
	cert, err := w.Issue(host)
	if err != nil {
		t.Fatal(err)
	}
	ln, _ := listen(t)
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{*cert}},
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+secret {
				rw.WriteHeader(http.StatusUnauthorized)
			}
			_, _ = rw.Write([]byte("ok"))
		}),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	w.Lead(host, ln.Addr().String())
}

var summary = regexp.MustCompile(`(?m)^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout\nstatus codes: (\d+) 2xx`)

// memoryLimit is what a run may have in memory under a load of 5,000 streams.
const memoryLimit = 400 << 20

func TestH2load(t *testing.T) {
	for name, header := range map[string]string{
		"2014_upstream_h1": "accept: */*",
		"2014_upstream_h2": "te: trailers",
	} {
		t.Run(name, func(t *testing.T) {
			requests, clients := 10_000, 20
			if full() {
				requests, clients = 100_000, 100
			}
			w := newWorld(t, host)
			w.plainServer(t)
			s := w.start(t)
			ln, port := listen(t)
			s.adapt(t, ln, host+":443", &tls.Config{ServerName: host, RootCAs: s.roots, NextProtos: []string{http2.NextProtoTLS}})
			out, err := exec.CommandContext(t.Context(), "h2load", "-n", fmt.Sprint(requests), "-c", fmt.Sprint(clients), "-m", "50",
				"-H", ":authority: "+host, "-H", ":scheme: https", "-H", header, "http://127.0.0.1:"+port+"/").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			m := summary.FindSubmatch(out)
			n := fmt.Sprint(requests)
			if m == nil || string(m[1]) != n || string(m[3]) != n || string(m[7]) != n {
				t.Errorf("%s", out)
			}
			memory := s.memory(t)
			t.Logf("%d MiB at most\n%s", memory>>20, out)
			if memory > memoryLimit {
				t.Errorf("%d bytes in memory", memory)
			}
		})
	}
}
