package proxy

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// packer is what packs a stream, piece by piece.
type packer interface {
	io.WriteCloser
	Flush() error
}

// packers has every coding, raw deflate under a name of its own.
var packers = map[string]func(io.Writer) packer{
	"gzip":        func(w io.Writer) packer { return gzip.NewWriter(w) },
	"x-gzip":      func(w io.Writer) packer { return gzip.NewWriter(w) },
	"deflate":     func(w io.Writer) packer { return zlib.NewWriter(w) },
	"deflate_raw": func(w io.Writer) packer { p, _ := flate.NewWriter(w, -1); return p },
	"br":          func(w io.Writer) packer { return brotli.NewWriter(w) },
	"zstd":        func(w io.Writer) packer { p, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)); return p },
}

func codingName(packer string) string { return strings.TrimSuffix(packer, "_raw") }

func pack(t testing.TB, name, text string) string {
	t.Helper()
	var b bytes.Buffer
	p := packers[name](&b)
	_, err := io.WriteString(p, text)
	must(t, err)
	must(t, p.Close())
	return b.String()
}

// answerOnce has alpha.test answer each request with head and body; $A stands
// for the Authorization it came with.
func answerOnce(l *lab, answer func(auth string) string) {
	l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		if r, err := http.ReadRequest(br); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+answer(r.Header.Get("Authorization")))
		}
	})
}

func TestCodings(t *testing.T) {
	long := strings.Repeat("padding ", 20000)
	for name := range packers {
		coding := "Content-Encoding: " + codingName(name) + "\r\n"
		for _, test := range []struct {
			name   string
			answer func(auth string) string
			want   string
		}{
			{"X003_small", func(a string) string { return coding + fixed(pack(t, name, "<"+a+">")) }, "<" + placeholder + ">"},
			{"X003_small_that_grows", func(a string) string { return coding + fixed(pack(t, name, strings.Repeat("a", inflatedBody)+a)) }, strings.Repeat("a", inflatedBody) + placeholder},
			{"X003_long", func(a string) string { return coding + fixed(pack(t, name, long+a+long)) }, long + placeholder + long},
			{"X003_until_close", func(a string) string { return coding + "\r\n" + pack(t, name, long+a+long) }, long + placeholder + long},
			{"clean", func(string) string { return coding + fixed(pack(t, name, "clean")) }, pack(t, name, "clean")},
			{"empty", func(string) string { return coding + "\r\n" }, ""},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				l := newLab(t, nil)
				answerOnce(l, test.answer)
				c := l.tunnel("alpha.test")
				c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
				a := c.answer("GET")
				must(t, a.err)
				if a.body != test.want {
					t.Errorf("%d bytes, want %d: %.100q", len(a.body), len(test.want), a.body)
				}
				if packed := a.Header.Get("Content-Encoding") != ""; packed != (test.name == "clean") {
					t.Errorf("%v", a.Header)
				}
			})
		}
	}
}

// TestCodingsStream: each piece that the upstream flushes is there before the
// next one is sent.
func TestCodingsStream(t *testing.T) {
	for name := range packers {
		t.Run("X003_"+name, func(t *testing.T) {
			l := newLab(t, nil)
			next := make(chan struct{})
			l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
				if _, err := http.ReadRequest(br); err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: "+codingName(name)+"\r\nConnection: close\r\n\r\n")
				p := packers[name](conn)
				for range next {
					_, _ = io.WriteString(p, "data: "+canary+" x\n\n")
					_ = p.Flush()
				}
				_ = p.Close()
			})
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			next <- struct{}{}
			resp, err := http.ReadResponse(c.br, nil)
			must(t, err)
			event := make([]byte, len("data: "+placeholder+" x\n\n"))
			for i := range 20 {
				if i > 0 {
					next <- struct{}{}
				}
				_, err := io.ReadFull(resp.Body, event)
				must(t, err)
				if got := string(event); got != "data: "+placeholder+" x\n\n" {
					t.Fatalf("%q", got)
				}
			}
			close(next)
			if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
				t.Errorf("%q %v", rest, err)
			}
		})
	}
}

func TestCodingsStacked(t *testing.T) {
	text := "<" + canary + ">"
	for name, test := range map[string]struct{ fields, body string }{
		"two":         {"Content-Encoding: gzip, br\r\n", pack(t, "br", pack(t, "gzip", text))},
		"two_fields":  {"Content-Encoding: zstd\r\nContent-Encoding: gzip\r\n", pack(t, "gzip", pack(t, "zstd", text))},
		"three":       {"Content-Encoding: GZIP, Deflate ,br\r\n", pack(t, "br", pack(t, "deflate", pack(t, "gzip", text)))},
		"identity":    {"Content-Encoding: identity\r\n", text},
		"charset":     {"Content-Encoding: UTF-8\r\n", text},
		"aws_chunked": {"Content-Encoding: aws-chunked, gzip\r\n", pack(t, "gzip", text)},
	} {
		t.Run("X003_"+name, func(t *testing.T) {
			l := newLab(t, nil)
			answerOnce(l, func(string) string { return test.fields + fixed(test.body) })
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			if a := c.answer("GET"); a.body != "<"+placeholder+">" {
				t.Errorf("%q %v", a.body, a.Header)
			}
		})
	}
}

// TestUnsearchable: what can't be searched is not passed on.
func TestUnsearchable(t *testing.T) {
	four := pack(t, "gzip", pack(t, "gzip", pack(t, "gzip", pack(t, "gzip", "x"))))
	for name, answer := range map[string]string{
		"unknown":      "Content-Encoding: compress\r\n" + fixed("abc"),
		"one_of_two":   "Content-Encoding: dcb, gzip\r\n" + fixed(pack(t, "gzip", "abc")),
		"four_layers":  "Content-Encoding: gzip, gzip, gzip, gzip\r\n" + fixed(four),
		"a_part":       "Content-Encoding: gzip\r\nContent-Range: bytes 5-7/100\r\n" + fixed("abc"),
		"grpc_message": "Content-Type: application/grpc\r\nGrpc-Encoding: gzip\r\n" + fixed("abc"),
		"connect":      "Content-Type: application/connect+proto\r\nConnect-Content-Encoding: br\r\n" + fixed("abc"),
	} {
		t.Run("X003_"+name, func(t *testing.T) {
			l := newLab(t, nil)
			answerOnce(l, func(string) string { return answer })
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			a := c.answer("GET")
			if a.StatusCode != http.StatusBadGateway || a.Header.Get("Authsome-Error") != "unsearchable" || a.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s %v %q", a.Status, a.Header, a.body)
			}
		})
	}
	t.Run("head", func(t *testing.T) {
		l := newLab(t, nil)
		answerOnce(l, func(string) string { return "Content-Encoding: compress\r\nContent-Length: 3\r\n\r\n" })
		c := l.tunnel("alpha.test")
		c.say("HEAD / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("HEAD"); a.StatusCode != http.StatusOK || a.Header.Get("Content-Length") != "3" {
			t.Errorf("%s %v", a.Status, a.Header)
		}
	})
}

// TestBroken: a packed body that is cut off or spoilt ends in an error, never
// as if it were whole.
func TestBroken(t *testing.T) {
	text := strings.Repeat("some text that is long enough ", 10000)
	for name := range packers {
		packed := pack(t, name, text)
		for _, cut := range []int{1, 2, len(packed) / 2, len(packed) - 1} {
			got, err := io.ReadAll(newUnpacker(strings.NewReader(packed[:cut]), []string{codingName(name)}))
			if err == nil && len(got) < len(text) || len(got) > len(text) {
				t.Errorf("%s cut at %d: %d bytes and no error", name, cut, len(got))
			}
		}
		if _, err := io.ReadAll(newUnpacker(strings.NewReader("this is not packed at all"), []string{codingName(name)})); err == nil {
			t.Errorf("%s: text is taken for packed", name)
		}
	}
}

func TestBomb(t *testing.T) {
	zeros := make([]byte, 1<<20)
	for name := range packers {
		t.Run("H022_"+name, func(t *testing.T) {
			var b bytes.Buffer
			p := packers[name](&b)
			for range 40 {
				_, err := p.Write(zeros)
				must(t, err)
			}
			must(t, p.Close())
			n, err := io.Copy(io.Discard, newUnpacker(&b, []string{codingName(name)}))
			if !errors.Is(err, errBomb) || n > bombFree+1<<20 {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
	t.Run("H022_window", func(t *testing.T) {
		var b bytes.Buffer
		p, err := zstd.NewWriter(&b, zstd.WithWindowSize(64<<20), zstd.WithEncoderConcurrency(1))
		must(t, err)
		for range 80 {
			_, err := p.Write(zeros)
			must(t, err)
		}
		must(t, p.Close())
		if _, err := io.Copy(io.Discard, newUnpacker(&b, []string{"zstd"})); err == nil || errors.Is(err, errBomb) {
			t.Errorf("a window of 64 MiB: %v", err)
		}
	})
}

func TestLimitCodings(t *testing.T) {
	for accept, want := range map[string]string{
		"":                            "identity",
		"gzip":                        "gzip",
		"gzip, deflate, br, zstd":     "gzip, deflate, br, zstd",
		"GZIP;q=0.5, *;q=0.1":         "GZIP;q=0.5",
		"dcb, dcz, br;q=0, identity":  "br;q=0, identity",
		"compress":                    "identity",
		"*":                           "identity",
		"x-gzip , gzip ; q = 1,,zstd": "x-gzip, gzip ; q = 1, zstd",
	} {
		h := http.Header{"Accept-Encoding": {accept}, "Grpc-Accept-Encoding": {"gzip"}, "Connect-Accept-Encoding": {"br"}, "A-Im": {"gzip"}}
		testRedactor(canary).limitCodings(h)
		if diff := cmp.Diff(http.Header{"Accept-Encoding": {want}}, h); diff != "" {
			t.Errorf("%q: %s", accept, diff)
		}
	}
	h := http.Header{"Accept-Encoding": {"gzip"}, "Range": {"bytes=100-"}}
	testRedactor(canary).limitCodings(h)
	if diff := cmp.Diff(http.Header{"Accept-Encoding": {"identity"}, "Range": {"bytes=100-"}}, h); diff != "" {
		t.Error(diff)
	}
}

// FuzzUnpack: bytes of a server's never do more than fail.
func FuzzUnpack(f *testing.F) {
	names := []string{"gzip", "deflate", "br", "zstd"}
	for i, name := range names {
		f.Add(uint8(i), []byte(pack(f, name, strings.Repeat("seed", 100))))
	}
	f.Fuzz(func(t *testing.T, which uint8, packed []byte) {
		n, err := io.Copy(io.Discard, newUnpacker(bytes.NewReader(packed), []string{names[which%4]}))
		if n > bombFree+maxWindow && !errors.Is(err, errBomb) && n > int64(len(packed))*bombRatio {
			t.Errorf("%d bytes of %d: %v", n, len(packed), err)
		}
	})
}

func BenchmarkUnpack(b *testing.B) {
	var text strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&text, `{"id":%d,"name":"item %x","ok":true},`, i, i*7919)
	}
	for _, name := range []string{"gzip", "br", "zstd"} {
		packed := pack(b, name, text.String())
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			d := testRedactor(canary, "Bearer "+canary)
			buffer := make([]byte, 32<<10)
			for b.Loop() {
				s := &scanner{d: d, src: newUnpacker(strings.NewReader(packed), []string{name})}
				for {
					if _, err := s.Read(buffer); err != nil {
						break
					}
				}
			}
		})
	}
}
