//go:build linux

package load_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// bodyBytes is how long a body is, or what LOAD_BYTES says.
func bodyBytes(t *testing.T) int64 {
	text := os.Getenv("LOAD_BYTES")
	if text == "" {
		return size[int64](64<<20, 10<<30)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal("LOAD_BYTES: ", err)
	}
	return n
}

// noise is a body of n bytes that no search finds anything in.
func noise(n int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{18}), n) }

// sum takes a body and answers with its hash, or sends one with its hash after
// it.
func sum(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	if r.Method == http.MethodPut {
		n, err := io.Copy(hash, r.Body)
		_, _ = fmt.Fprintf(w, "%d %x %v", n, hash.Sum(nil), err)
		return
	}
	w.Header().Set("Trailer", "Sum")
	n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	_, _ = io.Copy(io.MultiWriter(w, hash), noise(n))
	w.Header().Set("Sum", fmt.Sprintf("%x", hash.Sum(nil)))
}

// mostGrowth is what a body may add to the resident set, in MiB.
const mostGrowth = 64

// watch fails when the resident set grows while something goes on.
func (r *run) watch(t *testing.T, what func()) {
	t.Helper()
	before, peak := r.memory(), 0.0
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				peak = max(peak, r.memory())
			}
		}
	}()
	begin := time.Now()
	what()
	lasted := time.Since(begin)
	close(stop)
	<-done
	t.Logf("%v; %.1f MiB before, %.1f at most", lasted, before, peak)
	if peak-before > mostGrowth {
		t.Errorf("grown by %.0f MiB", peak-before)
	}
}

// Bodies of any length stream, whole, and take no memory.
func TestBodies(t *testing.T) {
	w := newWorld(t)
	r := w.start(t, "")
	n := bodyBytes(t)
	t.Run("H018_up", func(t *testing.T) {
		c, hash := r.open(t, fmt.Sprintf("PUT /sum HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", apiHost, n)), sha256.New()
		r.watch(t, func() {
			if _, err := io.Copy(io.MultiWriter(c, hash), noise(n)); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c.answer(t).Body)
			if want := fmt.Sprintf("%d %x <nil>", n, hash.Sum(nil)); err != nil || string(got) != want {
				t.Errorf("%s (%v), want %s", got, err, want)
			}
		})
	})
	t.Run("H018_X007_down", func(t *testing.T) {
		c, hash := r.open(t, fmt.Sprintf("GET /sum?n=%d HTTP/1.1\r\nHost: %s\r\n\r\n", n, apiHost)), sha256.New()
		r.watch(t, func() {
			response := c.answer(t)
			length, err := io.Copy(hash, response.Body)
			got, want := fmt.Sprintf("%d %x", length, hash.Sum(nil)), fmt.Sprintf("%d %s", n, response.Trailer.Get("Sum"))
			if err != nil || got != want {
				t.Errorf("%s (%v), want %s", got, err, want)
			}
		})
	})
	t.Run("H019_unread", func(t *testing.T) {
		c := r.open(t, fmt.Sprintf("GET /bytes?n=%d HTTP/1.1\r\nHost: %s\r\n\r\n", int64(1)<<50, apiHost))
		c.answer(t)
		r.watch(t, func() { time.Sleep(size(2*time.Second, time.Minute)) })
	})
	r.end()
}

// open sends a head on a tunnel of its own.
func (r *run) open(t *testing.T, head string) *tunnel {
	t.Helper()
	c, err := r.tunnel(t.Context(), apiHost, "http/1.1")
	if err == nil {
		_, err = io.WriteString(c, head)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	c.br = bufio.NewReader(c)
	return c
}

// answer reads the head of an answer that has to be 200.
func (c *tunnel) answer(t *testing.T) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(c.br, nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	return response
}
