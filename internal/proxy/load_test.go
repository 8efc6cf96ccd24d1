package proxy

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapInuse)
}

// maxGrowth is how much more memory a body may take than none, whatever its
// length.
const maxGrowth = 32 << 20

// watchHeap reports growth while something goes on.
func watchHeap(t *testing.T, what func()) {
	t.Helper()
	before, peak := heap(), int64(0)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(250 * time.Millisecond):
				peak = max(peak, heap())
			}
		}
	}()
	what()
	close(stop)
	<-done
	if peak-before > maxGrowth {
		t.Errorf("the heap grew by %d MiB", (peak-before)>>20)
	}
}

// pattern is an endless body that costs nothing to make.
type pattern struct{ block []byte }

func newPattern() *pattern {
	p := &pattern{make([]byte, 1<<20)}
	_, _ = io.ReadFull(new(counting), p.block)
	return p
}

func (p *pattern) Read(b []byte) (int, error) { return copy(b, p.block), nil }

// TestLargeBody is H018: bodies of any length stream both ways. The load tests
// have longer ones.
func TestLargeBody(t *testing.T) {
	const size = 256 << 20
	l := newLab(t, nil)
	received := make(chan string, 1)
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			h := sha256.New()
			n, err := io.Copy(h, r.Body)
			received <- fmt.Sprintf("%d %x %v", n, h.Sum(nil), err)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		h := sha256.New()
		_, _ = io.CopyN(io.MultiWriter(w, h), newPattern(), size)
		received <- fmt.Sprintf("%d %x <nil>", size, h.Sum(nil))
	})
	client := &http.Client{Transport: l.transport(false)}
	t.Run("H018_upload", func(t *testing.T) {
		watchHeap(t, func() {
			h := sha256.New()
			r, err := http.NewRequest(http.MethodPut, "https://alpha.test/", io.TeeReader(io.LimitReader(newPattern(), size), h))
			must(t, err)
			r.ContentLength = size
			resp, err := client.Do(r)
			must(t, err)
			_ = resp.Body.Close()
			compare(t, received, size, h)
		})
	})
	t.Run("H018_download", func(t *testing.T) {
		watchHeap(t, func() {
			resp, err := client.Get("https://alpha.test/")
			must(t, err)
			h := sha256.New()
			n, err := io.Copy(h, resp.Body)
			must(t, err)
			_ = resp.Body.Close()
			compare(t, received, n, h)
		})
	})
}

func compare(t *testing.T, received chan string, n int64, h hash.Hash) {
	t.Helper()
	if got, want := <-received, fmt.Sprintf("%d %x <nil>", n, h.Sum(nil)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestUnread is H019: a client that stops reading stops the server, and costs
// no memory.
func TestUnread(t *testing.T) {
	l := newLab(t, nil)
	var sent atomic.Int64
	l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		block := newPattern().block[:64<<10]
		for {
			n, err := conn.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	t.Run("H019_stalls", func(t *testing.T) {
		watchHeap(t, func() {
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			_, err := http.ReadResponse(c.br, nil)
			must(t, err)
			for last := int64(-1); last != sent.Load(); { // until nothing moves for a second
				last = sent.Load()
				time.Sleep(time.Second)
			}
			if n := sent.Load(); n > 64<<20 {
				t.Errorf("%d MiB were taken from the server for a client that reads nothing", n>>20)
			}
		})
	})
}
