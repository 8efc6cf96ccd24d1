package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2peer is the server's end of an HTTP/2 connection, frame by frame.
type h2peer struct {
	*http2.Framer
	conn net.Conn
}

// frameServer starts an upstream for alpha.test whose every connection is
// handled by talk, after the preface and the first settings.
func (l *lab) frameServer(t *testing.T, talk func(p *h2peer)) *rawServer {
	config := &tls.Config{Certificates: []tls.Certificate{*l.web.leaf(nil, "alpha.test")}, NextProtos: []string{"h2"}}
	return l.raw("alpha.test:443", config, func(br *bufio.Reader, conn net.Conn) {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(br, preface); err != nil {
			return
		}
		p := &h2peer{Framer: http2.NewFramer(conn, br), conn: conn}
		p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		if p.WriteSettings() == nil {
			talk(p)
		}
	})
}

// request waits for the next request's head.
func (p *h2peer) request() (*http2.MetaHeadersFrame, bool) {
	for {
		frame, err := p.ReadFrame()
		if err != nil {
			return nil, false
		}
		if head, ok := frame.(*http2.MetaHeadersFrame); ok {
			return head, true
		}
	}
}

// respond sends a response head.
func (p *h2peer) respond(stream uint32, end bool, fields ...string) {
	var text bytes.Buffer
	encoder := hpack.NewEncoder(&text)
	for i := 0; i < len(fields); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: text.Bytes(), EndStream: end, EndHeaders: true})
}

// drain reads until the connection ends.
func (p *h2peer) drain() {
	for {
		if _, err := p.ReadFrame(); err != nil {
			return
		}
	}
}

// post sends a request that goes to the upstream in HTTP/2.
func (l *lab) post(t *testing.T, client *http.Client, body io.Reader) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequest("POST", "https://alpha.test/x", body)
	must(t, err)
	r.Header.Set("Te", "trailers")
	return client.Do(r)
}

// TestHTTP2NeverIndexed/2015: what an upstream decodes says never indexed, for
// the injected field and every other that is not in the static table.
func TestHTTP2NeverIndexed(t *testing.T) {
	l := newLab(t, nil)
	heads := make(chan []hpack.HeaderField, 10)
	l.frameServer(t, func(p *h2peer) {
		for {
			head, ok := p.request()
			if !ok {
				return
			}
			heads <- head.Fields
			p.respond(head.StreamID, true, ":status", "204")
		}
	})
	client := &http.Client{Transport: l.transport(true)}
	for i := range 3 {
		t.Run(fmt.Sprintf("2015_request_%d", i), func(t *testing.T) {
			r, err := http.NewRequest("GET", "https://alpha.test/x", nil)
			must(t, err)
			r.Header.Set("Te", "trailers")
			r.Header.Set("X-Api-Key", "the client's own")
			resp, err := client.Do(r)
			must(t, err)
			_ = resp.Body.Close()
			got := map[string]bool{}
			for _, f := range <-heads {
				got[f.Name] = f.Sensitive
			}
			want := map[string]bool{
				":method": false, ":scheme": false, ":authority": true, ":path": true, "authorization": true,
				"x-api-key": true, "te": true, "accept-encoding": true, "user-agent": true,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHTTP2UpstreamFaults: a request of which anything has left is not sent
// again, whatever the server says, and the client learns of it.
func TestHTTP2UpstreamFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(p *h2peer, stream uint32)
		want  string // status and code, or the error
	}{
		"2009_refused_stream": {func(p *h2peer, stream uint32) { _ = p.WriteRSTStream(stream, http2.ErrCodeRefusedStream) }, "503 upstream_refused_stream"},
		"2009_cancel":         {func(p *h2peer, stream uint32) { _ = p.WriteRSTStream(stream, http2.ErrCodeCancel) }, "502 upstream_reset"},
		"2009_internal_error": {func(p *h2peer, stream uint32) { _ = p.WriteRSTStream(stream, http2.ErrCodeInternal) }, "502 upstream_reset"},
		"2009_goaway_not_processed": {func(p *h2peer, stream uint32) {
			_ = p.WriteGoAway(0, http2.ErrCodeNo, []byte(canary))
		}, "502 upstream_closed"},
		"2009_goaway_and_closed": {func(p *h2peer, stream uint32) {
			_ = p.WriteGoAway(stream, http2.ErrCodeEnhanceYourCalm, []byte(canary))
			_ = p.conn.Close()
		}, "502 upstream_closed"},
		"2009_closed": {func(p *h2peer, stream uint32) { _ = p.conn.Close() }, "502 upstream_closed"},
		"2009_settings_then_answer": {func(p *h2peer, stream uint32) {
			_ = p.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1},
				http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
			p.respond(stream, true, ":status", "200")
		}, "200 "},
		"2009_bad_setting": {func(p *h2peer, stream uint32) {
			_ = p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}, "502 upstream_failed"},
		"2010_push_promise": {func(p *h2peer, stream uint32) {
			_ = p.WritePushPromise(http2.PushPromiseParam{StreamID: stream, PromiseID: 2, BlockFragment: []byte{0x82}, EndHeaders: true})
		}, "502 upstream_failed"},
		"2009_endless_interim": {func(p *h2peer, stream uint32) {
			for range 100 {
				p.respond(stream, false, ":status", "103")
			}
		}, "502 upstream_failed"},
		"2008_endless_continuation": {func(p *h2peer, stream uint32) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x88}})
			piece := bytes.Repeat([]byte("\x10\x01a\x01b"), 1000)
			for p.WriteContinuation(stream, false, piece) == nil {
			}
		}, "502 upstream_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			var requests atomic.Int32
			l.frameServer(t, func(p *h2peer) {
				if head, ok := p.request(); ok {
					requests.Add(1)
					test.fault(p, head.StreamID)
					p.drain()
				}
			})
			client := &http.Client{Transport: l.transport(true), Timeout: time.Minute}
			got := ""
			resp, err := l.post(t, client, io.NopCloser(strings.NewReader("once")))
			if err != nil {
				got = err.Error()
			} else {
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				got = fmt.Sprintf("%d %s", resp.StatusCode, resp.Header.Get("Authsome-Error"))
				if bytes.Contains(body, []byte(canary)) {
					t.Error("the server's words are in the answer")
				}
			}
			if got != test.want || requests.Load() != 1 {
				t.Errorf("%s, want %s; %d requests", got, test.want, requests.Load())
			}
		})
	}
}

// TestHTTP2PushOff/2010: the first settings say that nothing may be pushed, and
// bound what may be sent unread.
func TestHTTP2PushOff(t *testing.T) {
	t.Run("2010_settings", func(t *testing.T) {
		l := newLab(t, nil)
		settings := make(chan map[http2.SettingID]uint32, 1)
		l.frameServer(t, func(p *h2peer) {
			got := map[http2.SettingID]uint32{}
			frame, err := p.ReadFrame()
			if s, ok := frame.(*http2.SettingsFrame); ok && err == nil {
				_ = s.ForeachSetting(func(s http2.Setting) error { got[s.ID] = s.Val; return nil })
			}
			settings <- got
			if head, ok := p.request(); ok {
				p.respond(head.StreamID, true, ":status", "204")
			}
			p.drain()
		})
		resp, err := l.post(t, &http.Client{Transport: l.transport(true)}, http.NoBody)
		must(t, err)
		_ = resp.Body.Close()
		got := <-settings
		if got[http2.SettingEnablePush] != 0 || got[http2.SettingInitialWindowSize] != streamWindow || got[http2.SettingMaxHeaderListSize] > 300<<10 {
			t.Errorf("%v", got)
		}
	})
}

// TestHTTP2StaleUpstream: a connection that ended between two requests costs
// nobody anything, also when the request can't be repeated.
func TestHTTP2StaleUpstream(t *testing.T) {
	l := newLab(t, nil)
	var conns atomic.Int32
	ended := make(chan struct{}, 10)
	l.frameServer(t, func(p *h2peer) {
		conns.Add(1)
		if head, ok := p.request(); ok {
			p.respond(head.StreamID, true, ":status", "204")
		}
		_ = p.WriteGoAway(1, http2.ErrCodeNo, nil)
		_ = p.conn.Close()
		ended <- struct{}{}
	})
	client := &http.Client{Transport: l.transport(true)}
	for range 5 {
		resp, err := l.post(t, client, http.NoBody)
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Authsome-Error"))
		}
		<-ended
		time.Sleep(20 * time.Millisecond) // the end has to arrive
	}
	if conns.Load() != 5 {
		t.Errorf("%d connections", conns.Load())
	}
}

// TestHTTP2Learnt: a server that has no HTTP/2 is asked once and then spoken to
// in HTTP/1.1 on the connections that others use.
func TestHTTP2Learnt(t *testing.T) {
	l := newLab(t, nil)
	alpha := l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	client := &http.Client{Transport: l.transport(true)}
	for range 5 {
		resp, err := l.post(t, client, io.NopCloser(strings.NewReader("abc")))
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		if string(body) != "abc" || err != nil {
			t.Errorf("%q %v", body, err)
		}
		_ = resp.Body.Close()
	}
	if n := l.contacts(); n != 2 {
		t.Errorf("%d connections, want one that asked and one that served", n)
	}
	for _, r := range alpha.seen() {
		if r.ProtoMajor != 1 || r.Header.Get("Te") != "" && r.Header.Get("Te") != "trailers" {
			t.Errorf("%s %v", r.Proto, r.Header)
		}
	}
}
