package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const tricky = `p@ss/"w&rd"+<x>=%é`

func testRedactor(secrets ...string) *redactor {
	return new(matchers).redactor(Grant{Redact: secrets, Placeholder: placeholder})
}

func redacted(d *redactor, text string) string {
	clean, _ := d.replace(nil, []byte(text), true, false)
	return string(clean)
}

func TestSpellings(t *testing.T) {
	quoted, _ := json.Marshal(tricky)
	for name, text := range map[string]string{
		"raw":         tricky,
		"query":       url.QueryEscape(tricky),
		"query_lower": strings.ToLower(url.QueryEscape(tricky)),
		"path":        url.PathEscape(tricky),
		"json":        string(quoted[1 : len(quoted)-1]),
		"json_slash":  strings.ReplaceAll(string(quoted[1:len(quoted)-1]), "/", `\/`),
		"hex":         hex.EncodeToString([]byte(tricky)),
		"HEX":         strings.ToUpper(hex.EncodeToString([]byte(tricky))),
	} {
		t.Run("X004_"+name, func(t *testing.T) {
			if got := redacted(testRedactor(tricky), "<"+text+">"); got != "<"+placeholder+">" {
				t.Errorf("%q became %q", text, got)
			}
		})
	}
	for before := range 6 {
		t.Run(fmt.Sprintf("X005_base64_%d", before), func(t *testing.T) {
			text := strings.Repeat("u", before) + canary + "tail"
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
				got := redacted(testRedactor(canary), encoding.EncodeToString([]byte(text)))
				if !strings.Contains(got, placeholder) || len(got) > len(placeholder)+encoding.EncodedLen(before+5)+4 {
					t.Errorf("%q", got)
				}
			}
		})
	}
	t.Run("X009_short", func(t *testing.T) {
		if testRedactor("test", "1234567") != nil {
			t.Error("short strings are looked for")
		}
	})
	t.Run("X008_placeholder", func(t *testing.T) {
		if got := redacted(testRedactor(canary), placeholder); got != placeholder {
			t.Errorf("%q", got)
		}
	})
}

// TestScannerSplits: wherever the stream is cut, the outcome is the same.
func TestScannerSplits(t *testing.T) {
	d := testRedactor(canary, "Bearer "+canary, canary+":with-more-behind-it")
	text := "a" + canary + "b Bearer " + canary + canary[:20] + canary + "CANARYCANARY-sk" + canary + ":with-more-behind-it" + canary[:len(canary)-1]
	want := "a" + placeholder + "b " + placeholder + canary[:20] + placeholder + "CANARYCANARY-sk" + placeholder + canary[:len(canary)-1]
	for _, same := range []bool{false, true} {
		want := want
		if same {
			want = string(must2(d.replace(nil, []byte(text), true, true)))
			if len(want) != len(text) || strings.Contains(want, canary) {
				t.Fatalf("same length: %q", want)
			}
		}
		for name, src := range map[string]func() io.Reader{
			"whole":    func() io.Reader { return strings.NewReader(text) },
			"bytes":    func() io.Reader { return iotest.OneByteReader(strings.NewReader(text)) },
			"halves":   func() io.Reader { return iotest.HalfReader(strings.NewReader(text)) },
			"data_err": func() io.Reader { return iotest.DataErrReader(strings.NewReader(text)) },
		} {
			for _, size := range []int{1, 7, 100, 400, 32 << 10} {
				s := &scanner{d: d, src: src(), sameLength: same}
				var got bytes.Buffer
				_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{s}, make([]byte, size))
				if diff := cmp.Diff(want, got.String()); diff != "" || err != nil {
					t.Errorf("%s, %d: %v %s", name, size, err, diff)
				}
			}
		}
	}
}

func must2(passed, _ []byte) []byte { return passed }

// TestScannerStreams: what can't be the beginning of a secret is not held.
func TestScannerStreams(t *testing.T) {
	reader, writer := io.Pipe()
	s := &scanner{d: testRedactor(canary), src: reader}
	buffer := make([]byte, 4096)
	for _, step := range []struct{ in, then, out string }{
		{"data: x\n\n", "", "data: x\n\n"}, {"y CANA", "", "y "}, {"DA", "", "CANADA"}, {"CAN", canary[3:] + "!", placeholder + "!"},
	} {
		go func() {
			_, _ = io.WriteString(writer, step.in)
			if step.then != "" {
				_, _ = io.WriteString(writer, step.then)
			}
		}()
		n, err := s.Read(buffer)
		must(t, err)
		if string(buffer[:n]) != step.out {
			t.Errorf("after %q: %q", step.in, buffer[:n])
		}
	}
	_ = writer.Close()
}

// FuzzMatcher compares with a search that is too simple to be wrong.
func FuzzMatcher(f *testing.F) {
	f.Add([]byte("xx"+canary+"yy"), []byte("0123456789"), uint8(3))
	f.Add([]byte("abababababab"), []byte("abababab"), uint8(1))
	f.Fuzz(func(t *testing.T, text, needle []byte, cut uint8) {
		if len(needle) < minNeedle || len(needle) > 300 {
			return
		}
		list := needles([]string{string(needle), string(needle[:minNeedle]), string(needle[len(needle)/2:])})
		m := newMatcher(list)
		start, end, found := m.find(text)
		wantStart, wantEnd := -1, -1
		for i := 0; i < len(text) && wantStart < 0; i++ {
			for _, n := range list {
				if bytes.HasPrefix(text[i:], n) {
					wantStart, wantEnd = i, i+len(n)
				}
			}
		}
		if found != (wantStart >= 0) || found && (start != wantStart || end != wantEnd) {
			t.Fatalf("found %d-%d %v, want %d-%d", start, end, found, wantStart, wantEnd)
		}
		d := &redactor{matcher: m, placeholder: "#"}
		whole := redacted(d, string(text))
		parts, err := io.ReadAll(&scanner{d: d, src: &cutReader{text, int(cut)%7 + 1}})
		if err != nil || whole != string(parts) {
			t.Fatalf("in parts %q, whole %q", parts, whole)
		}
	})
}

type cutReader struct {
	text []byte
	n    int
}

func (c *cutReader) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(c.n, len(p))], c.text)
	c.text = c.text[n:]
	return n, nil
}

func zip(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// TestReflection: an upstream that repeats the request.
func TestReflection(t *testing.T) {
	long := strings.Repeat("padding ", 20000)
	for _, test := range []struct {
		name, accept string
		answer       func(auth string) string
		want         string // of the body
		length       bool
	}{
		{"X001_json", "", func(a string) string { return fixed(`{"headers":{"Authorization":"` + a + `"}}`) }, `{"headers":{"Authorization":"` + placeholder + `"}}`, true},
		{"X001_chunked", "", func(a string) string {
			return "Transfer-Encoding: chunked\r\n\r\n5\r\n" + a[:5] + "\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(a)-5, a[5:])
		}, placeholder, false},
		{"X001_until_close", "", func(a string) string { return "\r\n" + a + "!" }, placeholder + "!", false},
		{"X001_long", "", func(a string) string { return fixed(long + a + long) }, long + placeholder + strings.Repeat("*", len("Bearer "+canary)-len(placeholder)) + long, true},
		{"X003_gzip", "gzip, br", func(a string) string { return "Content-Encoding: gzip\r\n" + fixed(zip(a)) }, placeholder, true},
		{"X003_gzip_clean", "gzip", func(string) string { return "Content-Encoding: gzip\r\n" + fixed(zip("clean")) }, zip("clean"), true},
		{"X003_gzip_long", "gzip", func(a string) string { return "Content-Encoding: gzip\r\n\r\n" + zip(long+a+long) }, long + placeholder + long, false},
		{"clean", "", func(string) string { return fixed("clean") }, "clean", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, nil)
			l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				a := r.Header.Get("Authorization")
				_, _ = io.WriteString(conn, "HTTP/1.1 200 "+a+"\r\nX-Echo: "+a+"\r\nLocation: /?"+url.QueryEscape(a)+"\r\nConnection: close\r\n"+test.answer(a))
			})
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\nAccept-Encoding: " + test.accept + "\n\n")
			a := c.answer("GET")
			must(t, a.err)
			if diff := cmp.Diff(test.want, a.body); diff != "" {
				t.Error(diff)
			}
			if a.Header.Get("X-Echo") != placeholder || a.Header.Get("Location") != "/?Bearer+"+placeholder || strings.Contains(a.Status, canary) { // X002
				t.Errorf("%s %v", a.Status, a.Header)
			}
			if test.length != (a.ContentLength >= 0) {
				t.Errorf("length %d", a.ContentLength)
			}
		})
	}
	t.Run("X002_trailer_and_1xx", func(t *testing.T) {
		l := newLab(t, nil)
		l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			a := r.Header.Get("Authorization")
			_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: "+a+"\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: "+a+"\r\n\r\n")
		})
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\nConnection: close\n\n")
		all, _ := io.ReadAll(c.br)
		if bytes.Contains(all, []byte(canary)) || bytes.Count(all, []byte(placeholder)) != 2 {
			t.Errorf("%s", all)
		}
	})
}

func fixed(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }

// TestPassThrough: without anything to redact nothing is touched.
func TestPassThrough(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Authorize = func(context.Context, *http.Request) (Grant, error) { return Grant{}, nil }
	})
	packed := zip("text")
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("X-Accept", r.Header.Get("Accept-Encoding"))
		_, _ = io.WriteString(w, packed)
	})
	c := l.tunnel("alpha.test")
	c.say("GET / HTTP/1.1\nHost: alpha.test\nAccept-Encoding: br, gzip\n\n")
	if a := c.answer("GET"); a.body != packed || a.Header.Get("X-Accept") != "br, gzip" {
		t.Errorf("H021: %q %v", a.body, a.Header)
	}
}

// BenchmarkScan is the search alone, over what APIs answer, for 1 to 100
// secrets, and over text that is all beginnings of them.
func BenchmarkScan(b *testing.B) {
	const size = 1 << 20
	source := rand.NewChaCha8([32]byte{})
	binary := make([]byte, size)
	_, _ = source.Read(binary)
	image := []byte(base64.StdEncoding.EncodeToString(binary))[:size]
	var records, events bytes.Buffer
	for i := 0; records.Len() < size || events.Len() < size; i++ {
		fmt.Fprintf(&records, `{"id":%d,"object":"chat.completion","name":"item %x","url":"https://api.example.com/v1/items/%d?page=%d","ok":true},`+"\n", i, i*7919, i, i)
		fmt.Fprintf(&events, "event: delta\ndata: {\"index\":%d,\"delta\":{\"content\":\"tok%x\"}}\n\n", i, i*31)
	}
	texts := map[string][]byte{
		"json": records.Bytes()[:size], "sse": events.Bytes()[:size], "base64": image, "binary": binary,
		"beginnings": bytes.Repeat([]byte("Bearer "+canary[:len(canary)-1]), size/(6+len(canary))),
	}
	for _, secrets := range []int{1, 10, 100} {
		all := []string{canary, "Bearer " + canary}
		for i := 1; i < secrets; i++ {
			another := fmt.Sprintf("%s%016x%016x", canary[:16], source.Uint64(), source.Uint64())
			all = append(all, another, "Bearer "+another)
		}
		d := testRedactor(all...)
		for name, text := range texts {
			b.Run(fmt.Sprintf("%s/%d", name, secrets), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					if _, _, found := d.find(text); found {
						b.Fatal("found")
					}
				}
			})
		}
	}
}

// BenchmarkScanner is a body on its way: the search, and what it takes to hold
// back what could be a beginning.
func BenchmarkScanner(b *testing.B) {
	d := testRedactor(canary, "Bearer "+canary)
	text := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(text)
	buffer := make([]byte, 32<<10)
	for name, through := range map[string]func(io.Reader) io.Reader{
		"plain":     func(r io.Reader) io.Reader { return r },
		"redacting": func(r io.Reader) io.Reader { return &scanner{d: d, src: r, sameLength: true} },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r := through(bytes.NewReader(text))
				for {
					if _, err := r.Read(buffer); err != nil {
						break
					}
				}
			}
		})
	}
}

// BenchmarkDownload is 16 MiB through the proxy, with and without redaction.
func BenchmarkDownload(b *testing.B) {
	for name, redact := range map[string][]string{"redacting": {canary, "Bearer " + canary}, "plain": nil} {
		b.Run(name, func(b *testing.B) {
			l := newLab(b, func(_ *lab, p *Proxy) {
				p.Authorize = func(context.Context, *http.Request) (Grant, error) {
					return Grant{Pool: "alpha", Redact: redact, Placeholder: placeholder}, nil
				}
			})
			body := make([]byte, 16<<20)
			_, _ = rand.NewChaCha8([32]byte{}).Read(body)
			l.serve("alpha.test:443", false, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				_, _ = w.Write(body)
			})
			c := l.tunnel("alpha.test")
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
				resp, err := http.ReadResponse(c.br, nil)
				must(b, err)
				_, err = io.Copy(io.Discard, resp.Body)
				must(b, err)
			}
		})
	}
}
