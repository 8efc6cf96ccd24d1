package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestHTTP2(t *testing.T) {
	l := newLab(t, nil)
	alpha := l.serve("alpha.test:443", true, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = fmt.Fprintf(w, "%s %s", r.Proto, body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Sum"))
	})
	last := func() *http.Request { seen := alpha.seen(); return seen[len(seen)-1] }
	client := &http.Client{Transport: l.transport(true)}
	t.Run("T018_h1_upstream", func(t *testing.T) {
		resp, err := client.Post("https://alpha.test/", "text/plain", strings.NewReader("abc"))
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if string(body) != "HTTP/1.1 abc" || err != nil || resp.ProtoMajor != 2 {
			t.Errorf("%q %v %s", body, err, resp.Proto)
		}
		if got := last().Header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+canary {
			t.Errorf("Authorization %q", got)
		}
	})
	for name, header := range map[string]http.Header{
		"2011_trailers": {"Te": {"trailers"}},
		"2011_grpc":     {"Content-Type": {"application/grpc"}, "Te": {"trailers"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest("POST", "https://alpha.test/", io.NopCloser(strings.NewReader("abc")))
			must(t, err)
			r.Header = header
			r.Trailer = http.Header{"X-Sum": {"7"}}
			resp, err := client.Do(r)
			must(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if string(body) != "HTTP/2.0 abc" || err != nil || resp.Trailer.Get("X-Sum") != "7" {
				t.Errorf("%q %v %v", body, err, resp.Trailer)
			}
			if last().Header.Get("Te") != "trailers" {
				t.Errorf("upstream saw %v", last().Header)
			}
		})
	}
	t.Run("2007_1000_streams", func(t *testing.T) {
		c, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", NextProtos: []string{"h2"}})
		must(t, err)
		must(t, c.SetDeadline(time.Now().Add(time.Minute)))
		one, err := (&http2.Transport{StrictMaxConcurrentStreams: true}).NewClientConn(c.Conn) // one tunnel, whatever it takes
		must(t, err)
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() {
				r, err := http.NewRequest("GET", "https://alpha.test/", nil)
				must(t, err)
				r.Header.Set("Te", "trailers") // one upstream connection, too
				resp, err := one.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if body, err := io.ReadAll(resp.Body); string(body) != "HTTP/2.0 " || err != nil {
					t.Errorf("%q %v", body, err)
				}
			})
		}
		group.Wait()
	})
}

// TestHTTP2Stream: a message each way before the next.
func TestHTTP2Stream(t *testing.T) {
	l := newLab(t, nil)
	l.serve("alpha.test:443", true, func(w http.ResponseWriter, r *http.Request) {
		flusher := http.NewResponseController(w)
		_ = flusher.Flush()
		buffer := make([]byte, 16)
		for {
			n, err := r.Body.Read(buffer)
			if n > 0 {
				_, _ = w.Write(bytes.ToUpper(buffer[:n]))
				_ = flusher.Flush()
			}
			if err != nil {
				return
			}
		}
	})
	reader, writer := io.Pipe()
	r, err := http.NewRequest("POST", "https://alpha.test/", reader)
	must(t, err)
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	resp, err := (&http.Client{Transport: l.transport(true)}).Do(r)
	must(t, err)
	defer resp.Body.Close()
	got := make([]byte, 4)
	for range 10 {
		_, err := writer.Write([]byte("ping"))
		must(t, err)
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "PING" {
			t.Fatalf("%q %v", got, err)
		}
	}
	must(t, writer.Close())
	if _, err := resp.Body.Read(got); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// frames is an HTTP/2 client that sends what no client should.
type frames struct {
	*http2.Framer
	t    *testing.T
	conn *child
}

func (l *lab) frames(t *testing.T) *frames {
	c, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", NextProtos: []string{"h2"}})
	must(t, err)
	c.say("PRI * HTTP/2.0\n\nSM\n\n")
	f := &frames{http2.NewFramer(c.Conn, c.Conn), t, c}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	must(t, f.WriteSettings())
	return f
}

func (f *frames) request(end bool, fields ...string) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		must(f.t, encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	must(f.t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true}))
}

// outcome is the status, or the name of the error that ended the stream.
func (f *frames) outcome() string {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return frame.ErrCode.String()
		case *http2.GoAwayFrame:
			return frame.ErrCode.String()
		}
	}
}

func TestHTTP2Refused(t *testing.T) {
	l := newLab(t, nil)
	alpha := l.serve("alpha.test:443", false, ok)
	for _, test := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"2002_R068_authority", []string{":method", "GET", ":scheme", "https", ":authority", "evil.test", ":path", "/"}, "421"},
		{"2002_host_differs", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/", "host", "evil.test"}, "421|PROTOCOL_ERROR"},
		{"2002_host_alone_differs", []string{":method", "GET", ":scheme", "https", ":path", "/", "host", "evil.test"}, "421"},
		{"2002_two_hosts", []string{":method", "GET", ":scheme", "https", ":path", "/", "host", "alpha.test", "host", "alpha.test"}, "400|PROTOCOL_ERROR"},
		{"2002_neither", []string{":method", "GET", ":scheme", "https", ":path", "/"}, "400"},
		{"2002_port", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test:444", ":path", "/"}, "421"},
		{"2002_userinfo", []string{":method", "GET", ":scheme", "https", ":authority", "x@alpha.test", ":path", "/"}, "400|PROTOCOL_ERROR"},
		{"2002_http", []string{":method", "GET", ":scheme", "http", ":authority", "alpha.test", ":path", "/"}, "400"},
		{"2002_no_slash", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "x"}, "400|PROTOCOL_ERROR"},
		{"2002_asterisk", []string{":method", "OPTIONS", ":scheme", "https", ":authority", "alpha.test", ":path", "*"}, "400"},
		{"2002_absolute", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "https://evil.test/"}, "400|PROTOCOL_ERROR"},
		{"double_slash", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "//evil.test/"}, "400"},
		{"fragment", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/#x"}, "400"},
		{"2005_connect", []string{":method", "CONNECT", ":authority", "alpha.test:443"}, "400|PROTOCOL_ERROR"},
		{"2005_extended_connect", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "alpha.test", ":path", "/"}, "PROTOCOL_ERROR"},
		{"R059_trace", []string{":method", "TRACE", ":scheme", "https", ":authority", "alpha.test", ":path", "/"}, "405"},
		{"2003_lower_case_method", []string{":method", "get", ":scheme", "https", ":authority", "alpha.test", ":path", "/"}, "400"},
		{"2003_connection", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/", "connection", "close"}, "400|PROTOCOL_ERROR"},
		{"2003_transfer_encoding", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/", "transfer-encoding", "chunked"}, "400|PROTOCOL_ERROR"},
		{"2003_crlf_value", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/", "x", "a\r\nb: c"}, "PROTOCOL_ERROR"},
		{"2003_crlf_path", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/ HTTP/1.1\r\nx: y"}, "400|PROTOCOL_ERROR"},
		{"2003_space_path", []string{":method", "GET", ":scheme", "https", ":authority", "alpha.test", ":path", "/a b"}, "400|PROTOCOL_ERROR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := l.frames(t)
			f.request(true, test.fields...)
			if got := f.outcome(); !strings.Contains("|"+test.want+"|", "|"+got+"|") {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	t.Run("2004_short_body", func(t *testing.T) {
		f := l.frames(t)
		f.request(false, ":method", "POST", ":scheme", "https", ":authority", "alpha.test", ":path", "/", "content-length", "10")
		must(t, f.WriteData(1, true, []byte("abc")))
		if got := f.outcome(); got == "200" {
			t.Error("accepted")
		}
	})
	t.Run("2004_long_body", func(t *testing.T) {
		f := l.frames(t)
		f.request(false, ":method", "POST", ":scheme", "https", ":authority", "alpha.test", ":path", "/", "content-length", "2")
		must(t, f.WriteData(1, true, []byte("abc")))
		if got := f.outcome(); got == "200" {
			t.Error("accepted")
		}
	})
	for _, r := range alpha.seen() {
		if r.Method != "POST" {
			t.Errorf("%s %s %s reached the upstream", r.Method, r.Host, r.RequestURI)
		}
	}
}

func TestHTTP2Shutdown(t *testing.T) {
	l := newLab(t, nil)
	l.serve("alpha.test:443", false, ok)
	client := &http.Client{Transport: l.transport(true)}
	resp, err := client.Get("https://alpha.test/")
	must(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	begin := time.Now()
	l.stop()
	if took := time.Since(begin); took > 1500*time.Millisecond {
		t.Errorf("an idle connection held the shutdown for %v", took)
	}
}
