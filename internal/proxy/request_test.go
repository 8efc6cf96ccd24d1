package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func head(text string) (*http.Request, error) {
	return rawHead([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
}

func rawHead(text []byte) (*http.Request, error) {
	r, _, err := readHead(context.Background(), bufio.NewReaderSize(bytes.NewReader(text), maxLine))
	return r, err
}

func TestReadHead(t *testing.T) {
	const start, end = "POST / HTTP/1.1\nHost: a.test\n", "\n"
	for _, test := range []struct {
		name, text string
		status     int // 0: accepted
	}{
		{"plain", start + end, 0},
		{"tab_in_value", start + "X: a\tb\n" + end, 0},
		{"latin1", start + "X: \xe9\n" + end, 0},
		{"empty_value", start + "X:\n" + end, 0},
		{"H002", start + "Content-Length: 0\nTransfer-Encoding: chunked\n" + end, 400},
		{"H003_same", start + "Content-Length: 1\nContent-Length: 1\n" + end, 400},
		{"H003_different", start + "Content-Length: 1\nContent-Length: 2\n" + end, 400},
		{"H003_list", start + "Content-Length: 1, 1\n" + end, 400},
		{"H003_plus", start + "Content-Length: +1\n" + end, 400},
		{"H003_hex", start + "Content-Length: 0x1\n" + end, 400},
		{"H003_minus", start + "Content-Length: -1\n" + end, 400},
		{"H003_20_digits", start + "Content-Length: 10000000000000000000\n" + end, 400},
		{"H003_empty", start + "Content-Length:\n" + end, 400},
		{"H003_zeros", start + "Content-Length: 01\n" + end, 400},
		{"H004_x", start + "Transfer-Encoding: xchunked\n" + end, 501},
		{"H004_identity_last", start + "Transfer-Encoding: chunked, identity\n" + end, 501},
		{"H004_identity_first", start + "Transfer-Encoding: identity, chunked\n" + end, 501},
		{"H004_vt", start + "Transfer-Encoding: \x0bchunked\n" + end, 400},
		{"H004_twice", start + "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n" + end, 501},
		{"H004_empty", start + "Transfer-Encoding:\n" + end, 501},
		{"H004_space_before_colon", start + "Transfer-Encoding : chunked\n" + end, 400},
		{"H004_http10", "POST / HTTP/1.0\nTransfer-Encoding: chunked\n\n", 400},
		{"H006_obs_fold_space", start + "X: a\n b\n" + end, 400},
		{"H006_obs_fold_tab", start + "X: a\n\tb\n" + end, 400},
		{"H006_leading_space", "GET / HTTP/1.1\n Host: a.test\n\n", 400},
		{"H006_nul", start + "X: a\x00b\n" + end, 400},
		{"H006_del", start + "X: a\x7fb\n" + end, 400},
		{"H006_empty_name", start + ": a\n" + end, 400},
		{"H006_space_in_name", start + "X Y: a\n" + end, 400},
		{"H006_non_token", start + "X(Y): a\n" + end, 400},
		{"H006_no_colon", start + "X\n" + end, 400},
		{"H007_lower_case", "get / HTTP/1.1\nHost: a\n\n", 400},
		{"H007_tabs", "GET\t/\tHTTP/1.1\nHost: a\n\n", 400},
		{"H007_double_space", "GET  / HTTP/1.1\nHost: a\n\n", 400},
		{"H007_no_version", "GET /\nHost: a\n\n", 400},
		{"H007_1.2", "GET / HTTP/1.2\nHost: a\n\n", 505},
		{"H007_2.0", "GET / HTTP/2.0\nHost: a\n\n", 505},
		{"H007_0.9", "GET / HTTP/0.9\nHost: a\n\n", 505},
		{"H007_1.1x", "GET / HTTP/1.1x\nHost: a\n\n", 400},
		{"H007_01.1", "GET / HTTP/01.1\nHost: a\n\n", 400},
		{"H007_trailing_space", "GET / HTTP/1.1 \nHost: a\n\n", 400},
		{"H007_long_target", "GET /" + strings.Repeat("a", 64<<10) + " HTTP/1.1\nHost: a\n\n", 414},
		{"H007_fragment", "GET /#a HTTP/1.1\nHost: a\n\n", 400},
		{"H007_x80", "GET /\x80 HTTP/1.1\nHost: a\n\n", 400},
		{"H008_1000_fields", start + strings.Repeat("X: y\n", 1000) + end, 431},
		{"H008_1_MiB", start + "X: " + strings.Repeat("a", 1<<20) + "\n" + end, 431},
		{"H008_sum", start + strings.Repeat("X: "+strings.Repeat("a", 8000)+"\n", 20) + end, 431},
		{"leading_empty_line", "\nGET / HTTP/1.1\nHost: a\n\n", 400},
		{"H025", start + "Expect: 200-ok\n" + end, 417},
		{"expect_twice", start + "Expect: 100-continue\nExpect: 100-continue\n" + end, 417},
		{"no_host", "GET / HTTP/1.1\n\n", 400},
		{"no_host_1.0", "GET / HTTP/1.0\n\n", 0},
		{"two_hosts", start + "Host: a.test\n" + end, 400},
		{"bad_trailer", start + "Transfer-Encoding: chunked\nTrailer: a b\n" + end, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := head(test.text)
			status := 0
			if e, ok := errors.AsType[*badRequest](err); ok {
				status = e.status
			} else if err != nil {
				t.Fatal(err)
			}
			if status != test.status {
				t.Errorf("status %d (%v), want %d", status, err, test.status)
			}
		})
	}
	for name, raw := range map[string]string{
		"H006_bare_lf":       "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
		"H006_bare_lf_end":   "GET / HTTP/1.1\r\nHost: a\r\n\n",
		"H006_bare_lf_first": "GET / HTTP/1.1\nHost: a\r\n\r\n",
		"H006_bare_cr":       "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
		"H006_cr_cr_lf":      "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rawHead([]byte(raw))
			if _, ok := errors.AsType[*badRequest](err); !ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestReadHeadWhole(t *testing.T) {
	got, err := head("PUT /p?q HTTP/1.1\nhost: A.test\nx-a: 1\nX-A:  2 \nTransfer-Encoding: Chunked\nTrailer: x-sum, Authorization\nConnection: close\n\n")
	must(t, err)
	want := &http.Request{
		Method: "PUT", RequestURI: "/p?q", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "A.test",
		Header:        http.Header{"X-A": {"1", "2"}, "Connection": {"close"}},
		ContentLength: -1, TransferEncoding: []string{"chunked"}, Trailer: http.Header{"X-Sum": nil}, Close: true,
	}
	if got.Method != want.Method || got.RequestURI != want.RequestURI || got.Host != want.Host || got.Close != want.Close ||
		got.ContentLength != want.ContentLength || !cmp.Equal(got.Header, want.Header) || !cmp.Equal(got.Trailer, want.Trailer) ||
		!cmp.Equal(got.TransferEncoding, want.TransferEncoding) || got.Proto != want.Proto || got.ProtoMinor != 1 {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestChunked(t *testing.T) {
	long := strings.Repeat("a", 70)
	for _, test := range []struct {
		name, text, body string
		bad              bool
	}{
		{"plain", "5\r\nhello\r\n0\r\n\r\n", "hello", false},
		{"two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", false},
		{"empty", "0\r\n\r\n", "", false},
		{"upper_hex", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", false},
		{"trailer", "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n", "a", false},
		{"extension", "1;x=y\r\na\r\n0\r\n\r\n", "", true},
		{"space", "1 \r\na\r\n0\r\n\r\n", "", true},
		{"0x", "0x1\r\na\r\n0\r\n\r\n", "", true},
		{"plus", "+1\r\na\r\n0\r\n\r\n", "", true},
		{"minus", "-1\r\na\r\n0\r\n\r\n", "", true},
		{"no_size", "\r\na\r\n0\r\n\r\n", "", true},
		{"bare_lf", "1\na\r\n0\r\n\r\n", "", true},
		{"bare_lf_after_data", "1\r\na\n0\r\n\r\n", "a", true},
		{"longer_than_size", "1\r\nab\r\n0\r\n\r\n", "a", true},
		{"huge_size", "ffffffffffffffff\r\na", "", true},
		{"17_digits", "00000000000000001\r\na\r\n0\r\n\r\n", "", true},
		{"long_line", long + "\r\na\r\n0\r\n\r\n", "", true},
		{"trailer_fold", "0\r\nX: a\r\n b\r\n\r\n", "", true},
		{"trailer_bare_lf", "0\r\nX: a\n\r\n", "", true},
		{"trailer_nul", "0\r\nX: \x00\r\n\r\n", "", true},
		{"trailer_many", "0\r\n" + strings.Repeat("X: y\r\n", 300) + "\r\n", "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &chunkedReader{br: bufio.NewReaderSize(strings.NewReader(test.text), maxLine)}
			body, err := io.ReadAll(c)
			_, isBad := errors.AsType[*badRequest](err)
			if string(body) != test.body || isBad != test.bad || err != nil && !isBad {
				t.Errorf("%q %v", body, err)
			}
		})
	}
	c := &chunkedReader{br: bufio.NewReader(strings.NewReader("5\r\nhel"))}
	if _, err := io.ReadAll(c); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut body: %v", err)
	}
}

// FuzzRequestHead: whatever is accepted, net/http reads the same way, and
// nothing ambiguous is accepted.
func FuzzRequestHead(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"POST /x?y HTTP/1.1\r\nHost: a.test:443\r\nContent-Length: 3\r\nX-A: b\r\nx-a: c\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\nX: y\r\n\r\n",
		"GET http://a.test/ HTTP/1.0\r\n\r\n",
		"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Authorization: Basic eDp5\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close, x\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := rawHead(data)
		if err != nil {
			return
		}
		if got.Method != "CONNECT" {
			if _, err := parseTarget(got.RequestURI); err != nil {
				return // refused by the next step
			}
		} else if _, err := parseAuthority(got.RequestURI, 0); err != nil {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatalf("accepted, and net/http says %v", err)
		}
		if !strings.HasPrefix(got.RequestURI, "/") {
			got.Host, want.Host = "", "" // net/http takes it from the target
		}
		if want.Close != got.Close && got.ProtoMinor > 0 {
			t.Errorf("close %v, want %v", got.Close, want.Close)
		}
		if got.Method != want.Method || got.RequestURI != want.RequestURI || got.Host != want.Host ||
			got.ContentLength != want.ContentLength || got.ProtoMinor != want.ProtoMinor ||
			len(got.TransferEncoding) != len(want.TransferEncoding) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		delete(want.Header, "Content-Length")
		delete(want.Header, "Trailer")
		if got.Header.Get("Pragma") != "" {
			delete(want.Header, "Cache-Control") // net/http adds one
			delete(got.Header, "Cache-Control")
		}
		if !cmp.Equal(got.Header, want.Header) {
			t.Errorf("header %s", cmp.Diff(want.Header, got.Header))
		}
	})
}

// FuzzChunked: whatever is accepted, net/http reads the same body from.
func FuzzChunked(f *testing.F) {
	for _, seed := range []string{
		"5\r\nhello\r\n0\r\n\r\n", "A\r\n0123456789\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\nrest", "0\r\n\r\n", "1;a=b\r\nx\r\n0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		br := bufio.NewReaderSize(bytes.NewReader(data), maxLine)
		got, err := io.ReadAll(&chunkedReader{br: br})
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(br)
		const start = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		reader := bufio.NewReader(io.MultiReader(strings.NewReader(start), bytes.NewReader(data)))
		r, err := http.ReadRequest(reader)
		must(t, err)
		want, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("accepted, and net/http says %v", err)
		}
		after, _ := io.ReadAll(reader)
		if !bytes.Equal(got, want) || !bytes.Equal(rest, after) {
			t.Errorf("body %q and %q behind it, want %q and %q", got, rest, want, after)
		}
	})
}
