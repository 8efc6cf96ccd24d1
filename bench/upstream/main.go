// Command upstream is the server of the benchmarks, of net/http as many
// servers are. It answers 418 to a request whose Authorization is not the
// secret, and counts.
//
// On a line on standard input it prints its counters as JSON. It ends with
// standard input.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

type server struct {
	handshakes, resumed, requests, unauthorized atomic.Int64

	secret string // the whole value of Authorization
	events int
	pause  time.Duration
	body   []byte
	block  []byte
}

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:443", "address")
	certificate := flag.String("cert", "", "PEM with certificate and key")
	secret := flag.String("secret", "", "what Authorization must be")
	events := flag.Int("events", 20, "events in a stream")
	pause := flag.Duration("pause", 25*time.Millisecond, "between two events")
	flag.Parse()
	pair, err := tls.LoadX509KeyPair(*certificate, *certificate)
	if err != nil {
		log.Fatal(err)
	}
	s := &server{secret: *secret, events: *events, pause: *pause, body: document(), block: bytes.Repeat([]byte("0123456789abcdef"), 4096)}
	h := &http.Server{
		Handler: s, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, VerifyConnection: s.count},
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(h.ServeTLS(l, "", "")) }()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		_ = json.NewEncoder(os.Stdout).Encode(map[string]int64{
			"handshakes": s.handshakes.Load(), "resumed": s.resumed.Load(), "requests": s.requests.Load(), "unauthorized": s.unauthorized.Load(),
		})
	}
}

// document is 1 KiB of JSON.
func document() []byte {
	type model struct{ ID, Object, OwnedBy string }
	var list []model
	for i := range 16 {
		list = append(list, model{fmt.Sprintf("model-%04d", i), "model", "bench"})
	}
	text, _ := json.Marshal(list)
	return append(text, bytes.Repeat([]byte(" "), 1024-len(text))...)
}

// count is called for each handshake, resumed or not.
func (s *server) count(state tls.ConnectionState) error {
	s.handshakes.Add(1)
	if state.DidResume {
		s.resumed.Add(1)
	}
	return nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	if r.Header.Get("Authorization") != s.secret {
		s.unauthorized.Add(1)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	size, isDownload := strings.CutPrefix(r.URL.Path, "/down/")
	switch {
	case isDownload:
		s.download(w, size)
	case r.URL.Path == "/events":
		s.stream(w)
	default:
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json"}
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(s.body))}
		_, _ = w.Write(s.body)
	}
}

func (s *server) download(w http.ResponseWriter, size string) {
	n, err := strconv.Atoi(size)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", size)
	for n > 0 {
		written, err := w.Write(s.block[:min(n, len(s.block))])
		if err != nil {
			return
		}
		n -= written
	}
}

// stream sends events that hold the machine's monotonic time in nanoseconds.
func (s *server) stream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range s.events {
		if i > 0 {
			time.Sleep(s.pause)
		}
		if _, err := fmt.Fprintf(w, "data: %d\n\n", monotonic()); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}

func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}
