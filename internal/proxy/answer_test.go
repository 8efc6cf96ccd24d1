package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readAnswerText(text, method string) (*http.Response, fields, error) {
	return readAnswer(bufio.NewReaderSize(strings.NewReader(text), maxLine), method)
}

// TestAnswerHead is what a server may say. A line feed stands for CRLF.
func TestAnswerHead(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\n"
	for _, test := range []struct{ name, text, reason string }{
		{"plain", ok + "Content-Length: 2\n\n", ""},
		{"no_reason", "HTTP/1.1 200 \n\n", ""},
		{"no_space", "HTTP/1.1 200\n\n", ""},
		{"latin1_reason", "HTTP/1.1 200 d\xe9j\xe0\n\n", ""},
		{"http10", "HTTP/1.0 200 OK\n\n", ""},
		{"999", "HTTP/1.1 999 Denied\n\n", ""},
		{"long_line", ok + "X: " + strings.Repeat("a", 100<<10) + "\n\n", ""},
		{"http2", "HTTP/2 200\n\n", "status line without HTTP/1.0 or HTTP/1.1"},
		{"http12", "HTTP/1.2 200 OK\n\n", "status line without HTTP/1.0 or HTTP/1.1"},
		{"lower_case", "http/1.1 200 OK\n\n", "status line without HTTP/1.0 or HTTP/1.1"},
		{"icy", "ICY 200 OK\n\n", "status line without HTTP/1.0 or HTTP/1.1"},
		{"two_spaces", "HTTP/1.1  200 OK\n\n", "status that is not three digits from 100"},
		{"099", "HTTP/1.1 099 OK\n\n", "status that is not three digits from 100"},
		{"2000", "HTTP/1.1 2000 OK\n\n", "status that is not three digits from 100"},
		{"sign", "HTTP/1.1 +20 OK\n\n", "status that is not three digits from 100"},
		{"fold", ok + "X: a\n b\n\n", "folded header line"},
		{"space_before_colon", ok + "Content-Length : 2\n\n", "header line without a proper name and colon"},
		{"no_colon", ok + "X\n\n", "header line without a proper name and colon"},
		{"nul", ok + "X: \x00\n\n", "control character in the head"},
		{"bare_cr", ok + "X: a\rY: b\n\n", "control character in the head"},
		{"two_lengths", ok + "Content-Length: 2\nContent-Length: 2\n\n", "more than one Content-Length"},
		{"list_of_lengths", ok + "Content-Length: 2, 2\n\n", "Content-Length that is not a plain number"},
		{"plus_length", ok + "Content-Length: +2\n\n", "Content-Length that is not a plain number"},
		{"both", ok + "Content-Length: 2\nTransfer-Encoding: chunked\n\n", "both Content-Length and Transfer-Encoding"},
		{"gzip_chunked", ok + "Transfer-Encoding: gzip, chunked\n\n", "Transfer-Encoding other than chunked"},
		{"identity", ok + "Transfer-Encoding: identity\n\n", "Transfer-Encoding other than chunked"},
		{"chunked_twice", ok + "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n", "Transfer-Encoding other than chunked"},
		{"http10_chunked", "HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n", "Transfer-Encoding in HTTP/1.0"},
		{"bad_trailer", ok + "Transfer-Encoding: chunked\nTrailer: a b\n\n", "Trailer that is not a list of names"},
		{"too_many", ok + strings.Repeat("X: y\n", 2000) + "\n", "head over 256 KiB or 1,000 fields"},
		{"too_large", ok + "X: " + strings.Repeat("a", 300<<10) + "\n\n", "head over 256 KiB or 1,000 fields"},
		{"in_sum", ok + strings.Repeat("X: "+strings.Repeat("a", 10<<10)+"\n", 40) + "\n", "head over 256 KiB or 1,000 fields"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := readAnswerText(strings.ReplaceAll(test.text, "\n", "\r\n"), "GET")
			reason := ""
			if e, ok := errors.AsType[*badAnswer](err); ok {
				reason = e.reason
			} else if err != nil {
				t.Fatal(err)
			}
			if reason != test.reason {
				t.Errorf("%q, want %q", reason, test.reason)
			}
		})
	}
	for name, raw := range map[string]string{
		"bare_lf":     "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n",
		"bare_lf_end": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok",
		"empty_line":  "\r\nHTTP/1.1 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := readAnswerText(raw, "GET"); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestAnswerFraming is how a body's end is found.
func TestAnswerFraming(t *testing.T) {
	type framing struct {
		Length         int64
		Chunked, Close bool
	}
	for _, test := range []struct {
		name, method, text string
		want               framing
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", framing{Length: 2}},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", framing{-1, true, false}},
		{"until_close", "GET", "HTTP/1.1 200 OK\r\n\r\n", framing{-1, false, true}},
		{"close", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\n", framing{2, false, true}},
		{"http10", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n", framing{2, false, true}},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", framing{Length: 200}},
		{"head_chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", framing{-1, true, false}},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", framing{Length: -1}},
		{"204_length_0", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", framing{Length: 0}},
		{"204_with_body", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", framing{2, false, true}},
		{"204_chunked", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", framing{-1, true, true}},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", framing{Length: 9}},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, _, err := readAnswerText(test.text, test.method)
			must(t, err)
			got := framing{resp.ContentLength, resp.TransferEncoding != nil, resp.Close}
			if got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// readWhole reads a response with its body as the client of an upstream does.
func readWhole(data []byte, method string) (*http.Response, []byte, []byte, error) {
	br := bufio.NewReaderSize(bytes.NewReader(data), maxLine)
	resp, _, err := readAnswer(br, method)
	if err != nil {
		return nil, nil, nil, err
	}
	var src io.Reader = br
	switch {
	case isBodiless(resp.StatusCode, method), resp.ContentLength == 0:
		src = http.NoBody
	case resp.TransferEncoding != nil:
		src = &chunkedReader{br: br}
	case resp.ContentLength > 0:
		src = &fixedReader{br: br, left: resp.ContentLength}
	}
	body, err := io.ReadAll(src)
	rest, _ := io.ReadAll(br)
	return resp, body, rest, err
}

// FuzzAnswer: whatever is accepted, net/http reads the same way, to the same
// end.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 404 Not Found\r\nX-A: b\r\nx-a: c\r\n\r\nuntil the end",
		"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\nrest", "HTTP/1.1 204 No Content\r\n\r\nrest",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nrest", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nrest",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		got, body, rest, err := readWhole(data, method)
		if err != nil {
			return
		}
		br := bufio.NewReader(bytes.NewReader(data))
		want, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("accepted, and net/http says %v", err)
		}
		if got.StatusCode != want.StatusCode || got.ProtoMinor != want.ProtoMinor || got.Header.Get("Content-Length") != want.Header.Get("Content-Length") {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		wantBody, wantRest := theirBody(t, want, br, data)
		if got.StatusCode >= 200 && (!bytes.Equal(body, wantBody) || !bytes.Equal(rest, wantRest)) {
			t.Errorf("body %q and %q behind it, want %q and %q", body, rest, wantBody, wantRest)
		}
		for _, name := range []string{"Transfer-Encoding", "Trailer", "Connection"} {
			delete(got.Header, name)
			delete(want.Header, name)
		}
		if got.Header.Get("Pragma") != "" {
			delete(want.Header, "Cache-Control") // net/http adds one
			delete(got.Header, "Cache-Control")
		}
		if !cmp.Equal(got.Header, want.Header) {
			t.Errorf("header %s", cmp.Diff(want.Header, got.Header))
		}
	})
}

func theirBody(t *testing.T, resp *http.Response, br *bufio.Reader, data []byte) (body, rest []byte) {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("accepted %q, and net/http says %v", data, err)
	}
	rest, _ = io.ReadAll(br)
	return body, rest
}
