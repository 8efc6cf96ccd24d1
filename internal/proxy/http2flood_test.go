package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestHTTP2BothSides/T018: whatever each side speaks, the upstream sees the
// same credential, once.
func TestHTTP2BothSides(t *testing.T) {
	for _, child := range []bool{false, true} {
		for _, server := range []bool{false, true} {
			t.Run(fmt.Sprintf("T018_child_h2_%v_server_h2_%v", child, server), func(t *testing.T) {
				l := newLab(t, nil)
				alpha := l.serve("alpha.test:443", server, ok)
				client := &http.Client{Transport: l.transport(child)}
				for i := range 20 {
					r, err := http.NewRequest("POST", fmt.Sprintf("https://alpha.test/%d?q=%%2F", i), strings.NewReader("abc"))
					must(t, err)
					r.Header.Set("Te", "trailers")
					r.Header.Set("Authorization", "Bearer the client's own")
					resp, err := client.Do(r)
					must(t, err)
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Authsome-Error"))
					}
				}
				seen := alpha.seen()
				for i, r := range seen {
					got := fmt.Sprintf("%s %s %s %q", r.Method, r.Host, r.RequestURI, r.Header["Authorization"])
					if want := fmt.Sprintf(`POST alpha.test /%d?q=%%2F ["Bearer %s"]`, i, canary); got != want {
						t.Errorf("%s, want %s", got, want)
					}
				}
				major := 1
				if child && server {
					major = 2
				}
				if len(seen) != 20 || seen[19].ProtoMajor != major {
					t.Errorf("%d requests, the last in HTTP/%d", len(seen), seen[len(seen)-1].ProtoMajor)
				}
			})
		}
	}
}

// flood writes times frames, or until the proxy ends the connection, and
// reports whether it did.
func (f *frames) flood(t *testing.T, times int, write func(i uint32) error) (ended bool) {
	t.Helper()
	// What is kept is bounded, and not how long a busy machine takes to answer a
	// million frames.
	must(t, f.conn.SetDeadline(time.Now().Add(3*time.Minute)))
	for i := range times {
		if err := write(uint32(i)); err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
	must(t, f.conn.SetDeadline(time.Now().Add(2*time.Second)))
	for {
		if _, err := f.ReadFrame(); err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

// writeAll writes frames that are encoded already, and reads nothing.
func (f *frames) writeAll(encoded []byte) error {
	_, err := f.conn.Write(encoded)
	return err
}

// TestHTTP2Floods/2008: what costs the sender little and makes us keep
// something ends its connection; what costs nothing to keep may go on. Other
// connections do not notice.
func TestHTTP2Floods(t *testing.T) {
	get := []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/"}
	var text bytes.Buffer
	encoder := hpack.NewEncoder(&text)
	for i := 0; i < len(get); i += 2 {
		must(t, encoder.WriteField(hpack.HeaderField{Name: get[i], Value: get[i+1], Sensitive: true}))
	}
	head := func(f *frames, stream uint32) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: text.Bytes(), EndHeaders: true})
	}
	// A thousand frames as they are sent, RFC 9113 sections 6.7 and 6.5.
	pings := bytes.Repeat([]byte("\x00\x00\x08\x06\x00\x00\x00\x00\x00authsome"), 1000)
	settings := bytes.Repeat([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"), 1000)
	for name, test := range map[string]struct {
		times int
		ends  bool
		write func(f *frames, i uint32) error
	}{
		"pings_unread":    {20_000, true, func(f *frames, _ uint32) error { return f.writeAll(pings) }},
		"settings_unread": {500, false, func(f *frames, _ uint32) error { return f.writeAll(settings) }},
		"pings":           {20_000, false, func(f *frames, i uint32) error { return f.WritePing(false, [8]byte{}) }},
		"settings":        {20_000, false, func(f *frames, i uint32) error { return f.WriteSettings() }},
		"empty_data": {20_000, false, func(f *frames, i uint32) error {
			if i == 0 {
				return head(f, 1)
			}
			return f.WriteData(1, false, nil)
		}},
		"rapid_reset": {2_000, false, func(f *frames, i uint32) error {
			if err := head(f, 2*i+1); err != nil {
				return err
			}
			return f.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}},
		"continuation": {200_000, true, func(f *frames, i uint32) error {
			if i == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			}
			return f.WriteContinuation(1, false, []byte(strings.Repeat("\x10\x01a\x01b", 100)))
		}},
		"window_overflow": {2, true, func(f *frames, i uint32) error { return f.WriteWindowUpdate(0, 1<<31-1) }},
		"window_zero": {1, true, func(f *frames, i uint32) error {
			return f.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4))
		}},
	} {
		t.Run("2008_"+name, func(t *testing.T) {
			l := newLab(t, nil)
			l.serve("alpha.test:443", false, ok)
			f := l.frames(t)
			watchHeap(t, func() {
				ended := f.flood(t, test.times, func(i uint32) error { return test.write(f, i) })
				if test.ends && !ended {
					t.Error("the connection goes on")
				}
			})
			g := l.frames(t)
			g.request(true, get...)
			if got := g.outcome(); got != "200" {
				t.Errorf("another connection got %s", got)
			}
		})
	}
}

// TestHTTP2CancelReachesUpstream/2009: a stream that the client resets is reset
// at the server.
func TestHTTP2CancelReachesUpstream(t *testing.T) {
	t.Run("2009_cancel", func(t *testing.T) {
		l := newLab(t, nil)
		code := make(chan http2.ErrCode, 1)
		l.frameServer(t, func(p *h2peer) {
			head, ok := p.request()
			if !ok {
				return
			}
			p.respond(head.StreamID, false, ":status", "200")
			for {
				frame, err := p.ReadFrame()
				if err != nil {
					return
				}
				if reset, ok := frame.(*http2.RSTStreamFrame); ok {
					code <- reset.ErrCode
				}
			}
		})
		f := l.frames(t)
		f.request(true, ":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/", "te", "trailers")
		if got := f.outcome(); got != "200" {
			t.Fatal(got)
		}
		must(t, f.WriteRSTStream(1, http2.ErrCodeCancel))
		select {
		case got := <-code:
			if got != http2.ErrCodeCancel {
				t.Error(got)
			}
		case <-time.After(20 * time.Second):
			t.Error("the server was not told")
		}
	})
}

// TestHTTP2Unread: an endless answer that nobody reads stops its sender, and
// takes no more memory than its windows.
func TestHTTP2Unread(t *testing.T) {
	l := newLab(t, nil)
	var sent atomic.Int64
	l.serve("alpha.test:443", true, func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 64<<10)
		for {
			n, err := w.Write(piece)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	one, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", NextProtos: []string{"h2"}})
	must(t, err)
	conn, err := (&http2.Transport{}).NewClientConn(one.Conn)
	must(t, err)
	r, err := http.NewRequest("GET", "https://alpha.test/", nil)
	must(t, err)
	r.Header.Set("Te", "trailers")
	resp, err := conn.RoundTrip(r)
	must(t, err)
	defer resp.Body.Close()
	last := int64(-1)
	for last != sent.Load() { // until nothing has moved for a while
		last = sent.Load()
		time.Sleep(500 * time.Millisecond)
	}
	if last > 16<<20 {
		t.Errorf("the server could send %d MiB", last>>20)
	}
	_ = resp.Body.Close()
	if err := conn.Close(); err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
