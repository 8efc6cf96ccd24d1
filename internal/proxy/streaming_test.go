package proxy

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestStreaming_H020: every piece of an answer that the server has flushed is
// with the client before the server goes on: it waits for the client's word,
// which the client gives when it has read the piece. Nothing is measured. The
// redactor is in the path, and pieces end in what could be the beginning of
// the secret: a line end settles that it is not.
func TestStreaming_H020(t *testing.T) {
	almost := canary[:len(canary)-1]
	bytesOf := strings.Split("data: single bytes\n\n", "")
	for _, test := range []struct {
		name, contentType string
		pieces            []string
		packed            bool
	}{
		{"events", "text/event-stream", []string{"data: 1\n\n", "data: " + almost + "\n\n", ": comment\n", "data: C\n\n", "data: [DONE]\n\n"}, false},
		{"single_bytes", "text/event-stream", bytesOf, false},
		{"plain", "text/plain", []string{"one", "two ", "Bearer " + almost + ".", "\n"}, false},
		{"ndjson", "application/x-ndjson", []string{`{"n":1}` + "\n", `{"key":"` + almost + `"}` + "\n", "{}\n"}, false},
		{"multipart", "multipart/x-mixed-replace; boundary=b", []string{"--b\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n", "--b\r\n\r\n" + almost + "\r\n", "--b--\r\n"}, false},
		{"no_type", "", []string{"a\n", "\x00\xff\n"}, false},
		{"gzip", "text/event-stream", []string{"data: 1\n\n", "data: " + almost + "\n\n", "data: 3\n\n"}, true},
		{"many", "text/event-stream", repeated("data: "+almost+"\n\n", 200), false},
	} {
		for _, h2 := range []bool{false, true} {
			name := test.name + map[bool]string{false: "/http1", true: "/http2"}[h2]
			t.Run(name, func(t *testing.T) { lockStep(t, test.contentType, test.pieces, test.packed, h2) })
		}
	}
}

func repeated(s string, n int) []string {
	return strings.Split(strings.Repeat(s+"\xfe", n-1)+s, "\xfe")
}

func lockStep(t *testing.T, contentType string, pieces []string, packed, h2 bool) {
	l := newLab(t, nil)
	read, gone := make(chan bool), make(chan struct{})
	l.serve("alpha.test:443", h2, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		out, flush := io.Writer(w), http.NewResponseController(w).Flush
		if packed {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			out, flush = z, func() error { return z.Flush() }
		}
		for _, piece := range pieces {
			_, _ = io.WriteString(out, piece)
			_ = flush()
			_ = http.NewResponseController(w).Flush()
			select {
			case <-read:
			case <-gone:
				return
			}
		}
		if z, ok := out.(*gzip.Writer); ok {
			_ = z.Close()
		}
	})
	defer close(gone)
	r, err := http.NewRequest("GET", "https://alpha.test/", nil)
	must(t, err)
	r.Header.Set("Accept-Encoding", "gzip")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	resp, err := (&http.Client{Transport: l.transport(h2)}).Do(r.WithContext(ctx))
	must(t, err)
	defer resp.Body.Close()
	for i, piece := range pieces {
		got := make([]byte, len(piece))
		if n, err := io.ReadFull(resp.Body, got); err != nil || string(got) != piece {
			t.Fatalf("piece %d: %q %v", i, got[:n], err)
		}
		read <- true
	}
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

// TestStreamingHolds: of a piece that ends in the beginning of the secret that
// beginning alone waits, and the rest of the secret never comes.
func TestStreamingHolds(t *testing.T) {
	l := newLab(t, nil)
	read := make(chan bool)
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "event "+canary[:12])
		_ = http.NewResponseController(w).Flush()
		<-read
		_, _ = io.WriteString(w, canary[12:]+" end")
	})
	resp, err := (&http.Client{Transport: l.transport(false)}).Get("https://alpha.test/")
	must(t, err)
	defer resp.Body.Close()
	got := make([]byte, len("event "))
	_, err = io.ReadFull(resp.Body, got)
	must(t, err)
	read <- true
	rest, err := io.ReadAll(resp.Body)
	if text := string(got) + string(rest); err != nil || text != "event "+placeholder+" end" {
		t.Errorf("%q %v", text, err)
	}
}
