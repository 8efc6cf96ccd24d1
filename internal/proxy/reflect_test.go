package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEcho_X004_more: spellings of less common software.
func TestEcho_X004_more(t *testing.T) {
	const secret = `a+b/c=d'e"f&g<h>i` + "`jklm"
	for name, text := range map[string]string{
		"encode_uri_component": "a%2Bb%2Fc%3Dd'e%22f%26g%3Ch%3Ei%60jklm",
		"percent_twice":        strings.ReplaceAll(url.QueryEscape(secret), "%", "%25"),
		"percent_every_byte":   each(secret, "%%%02x"),
		"json_dotnet":          `a\u002Bb/c=d\u0027e\u0022f\u0026g\u003Ch\u003Ei\u0060jklm`,
		"json_php":             `a+b\/c=d'e\"f&g<h>i` + "`jklm",
		"json_in_json":         `a+b/c=d'e\\\"f&g<h>i` + "`jklm",
		"json_every_char":      each(secret, `\u%04x`),
		"html_go":              html.EscapeString(secret),
		"html_php":             "a+b/c=d&#039;e&quot;f&amp;g&lt;h&gt;i`jklm",
		"html_mustache":        "a+b&#x2F;c&#x3D;d&#39;e&quot;f&amp;g&lt;h&gt;i&#x60;jklm",
		"html_every_char":      each(secret, "&#%d;"),
		"quoted_printable":     strings.ReplaceAll(secret, "=", "=3D"),
		"utf16_le":             each(secret, "%c\x00"),
		"utf16_be":             each(secret, "\x00%c"),
		"escaped_bytes":        each(secret, `\x%02x`),
		"basic":                base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
	} {
		t.Run(name, func(t *testing.T) {
			got := redacted(testRedactor(secret), text)
			if !strings.Contains(got, placeholder) || len(got) > len(placeholder)+12 {
				t.Errorf("%q became %q", text, got)
			}
		})
	}
}

// TestEcho_X006_transformed: what is not caught, as the documentation says.
func TestEcho_X006_transformed(t *testing.T) {
	reversed := []byte(canary)
	slices.Reverse(reversed)
	for name, text := range map[string]string{
		"upper":       strings.ToUpper(canary),
		"reversed":    string(reversed),
		"one_a_line":  each(canary, "%c\n"),
		"hex_of_hex":  hex.EncodeToString([]byte(hex.EncodeToString([]byte(canary)))),
		"X011_masked": "Incorrect API key provided: " + canary[:6] + "********" + canary[len(canary)-4:],
	} {
		if got := redacted(testRedactor(canary), text); got != text {
			t.Errorf("%s: the documentation says that it is left, and it became %q", name, got)
		}
	}
}

// TestEcho_X007_large_binary: bytes that hold no secret are the same.
func TestEcho_X007_large_binary(t *testing.T) {
	const size = 128 << 20
	l := newLab(t, nil)
	sent := make(chan []byte, 1)
	l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		sum := sha256.New()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", size)
		_, _ = io.CopyN(io.MultiWriter(conn, sum), rand.NewChaCha8([32]byte{7}), size)
		sent <- sum.Sum(nil)
	})
	c := l.tunnel("alpha.test")
	c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
	resp, err := http.ReadResponse(c.br, nil)
	must(t, err)
	sum := sha256.New()
	if n, err := io.Copy(sum, resp.Body); n != size || err != nil || !bytes.Equal(sum.Sum(nil), <-sent) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestEcho_X013_other_host: what was sent to one host does not come back from
// another either.
func TestEcho_X013_other_host(t *testing.T) {
	const other = "CANARY-sk-beta-zyxwvutsrqponm"
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Authorize = func(_ context.Context, r *http.Request) (Grant, error) {
			secret := map[string]string{"alpha.test": canary, "beta.test": other}[r.URL.Hostname()]
			r.Header.Set("Authorization", "Bearer "+secret)
			return Grant{Pool: r.URL.Hostname(), Redact: []string{secret, "Bearer " + secret}, Placeholder: placeholder}, nil
		}
	})
	for _, host := range []string{"alpha.test", "beta.test"} {
		l.serve(host+":443", false, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, canary+" "+other) })
	}
	for i, want := range []string{placeholder + " " + other, placeholder + " " + placeholder, placeholder + " " + placeholder} {
		host := []string{"alpha.test", "beta.test", "alpha.test"}[i]
		c := l.tunnel(host)
		c.say("GET / HTTP/1.1\nHost: " + host + "\n\n")
		if a := c.answer("GET"); a.body != want {
			t.Errorf("%d: %q", i, a.body)
		}
	}
}

// TestEcho_X014_ranges: a secret can't be fetched in parts, but for fewer than
// minNeedle bytes of its ends.
func TestEcho_X014_ranges(t *testing.T) {
	text := strings.Repeat("x", 40) + canary + strings.Repeat("y", 40)
	l := newLab(t, nil)
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "echo.json", time.Time{}, strings.NewReader(text))
	})
	c := l.tunnel("alpha.test")
	fetch := func(r string) (body string, status int) {
		c.say("GET / HTTP/1.1\nHost: alpha.test\nRange: " + r + "\n\n")
		a := c.answer("GET")
		must(t, a.err)
		return a.body, a.StatusCode
	}
	for from := range len(text) {
		for _, length := range []int{1, 4, minRange - 1, minRange, 24, 50, 1000} {
			to := min(from+length, len(text))
			body, status := fetch(fmt.Sprintf("bytes=%d-%d", from, from+length-1))
			if status == http.StatusPartialContent && len(body) != to-from {
				t.Fatalf("%d-%d: %d bytes", from, to, len(body))
			}
			for i := range len(canary) - minNeedle {
				if strings.Contains(body, canary[i:i+minNeedle]) {
					t.Fatalf("%d-%d shows %q", from, to, body)
				}
			}
		}
	}
	for r, want := range map[string]int{
		"bytes=0-0": 206, "bytes=5-": 206, "bytes=-5": 206, "bytes=0-3": 206, "bytes=100-119": 206,
		"bytes=5-5": 200, "bytes=0-20,40-60": 200, "bytes=x": 200, "lines=1-3": 200,
	} {
		if _, status := fetch(r); status != want {
			t.Errorf("%s: %d", r, status)
		}
	}
	if body, _ := fetch("bytes=0-19"); body != text[:20] {
		t.Errorf("%q", body)
	}
}

// TestEcho_X015_sizes: the size of an answer does not depend on how well what
// it repeats of the client's fits the secret beside it.
func TestEcho_X015_sizes(t *testing.T) {
	var sizes []int
	for _, guess := range []string{canary, strings.Repeat("Zq9_", len(canary))[:len(canary)]} {
		l := newLab(t, nil)
		answerOnce(l, func(a string) string {
			return "Content-Encoding: gzip\r\n" + fixed(zip(a+" you said "+guess[:len(guess)-1]))
		})
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\nAccept-Encoding: gzip\n\n")
		a := c.answer("GET")
		must(t, a.err)
		sizes = append(sizes, len(a.body))
	}
	if sizes[0] != sizes[1] {
		t.Errorf("%d", sizes)
	}
}
