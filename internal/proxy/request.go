package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// Limits of a request head. 16 KiB is what Node accepts for a whole head and
// nginx for two lines, and more than any credential, cookie or model prompt
// put in a header; no client sends a tenth of 256 fields.
const (
	maxLine   = 16 << 10
	maxHead   = 64 << 10
	maxFields = 256
)

// limits are those of one kind of head.
type limits struct{ line, head, fields int }

// badRequest is a request that is answered with status and never forwarded.
// Its text names the rule and quotes nothing.
type badRequest struct {
	status int
	reason string
}

func (e *badRequest) Error() string { return e.reason }

func bad(reason string) error { return &badRequest{status: http.StatusBadRequest, reason: reason} }

// readHead reads one request head (RFC 9112) and refuses whatever two readers
// could understand differently. The request has Method, RequestURI, Proto,
// Host, Header without Host, framing fields and Trailer names; its Body is
// not set. The lines are the head's, with Host and framing fields. An error
// that is no *badRequest is the connection's own; io.EOF means that it ended
// before a byte of a request.
func readHead(ctx context.Context, br *bufio.Reader) (*http.Request, fields, error) {
	text, err := readHeadText(br, limits{maxLine, maxHead, maxFields})
	if err != nil {
		return nil, nil, err
	}
	line, rest, _ := strings.Cut(text, "\r\n")
	r := (&http.Request{ProtoMajor: 1}).WithContext(ctx)
	if err := parseRequestLine(r, line); err != nil {
		return nil, nil, err
	}
	var lines fields
	if r.Header, lines, err = parseFields(rest); err != nil {
		return nil, nil, err
	}
	if err := takeHost(r); err != nil {
		return nil, nil, err
	}
	if err := takeFraming(r); err != nil {
		return nil, nil, err
	}
	return r, lines, takeTrailerNames(r)
}

// readHeadText reads up to and including the empty line and returns what is
// before it, each line with its CRLF. Nothing but CRLF ends a line, and CR
// stands nowhere else.
func readHeadText(br *bufio.Reader, limit limits) (string, error) {
	if text, err := bufferedHead(br, limit); text != "" || err != nil {
		return text, err
	}
	var head []byte
	for lines := 0; ; lines++ {
		begin := len(head)
		var err error
		if head, err = appendLine(head, br, begin+limit.line, limit.head); err != nil {
			if errors.Is(err, bufio.ErrTooLong) {
				err = tooLarge(lines)
			}
			return "", err
		}
		switch err := checkLine(head[begin:], lines, limit); {
		case err != nil:
			return "", err
		case len(head)-begin == 2:
			return string(head[:begin]), nil
		}
	}
}

// bufferedHead is readHeadText for a head that the buffer holds whole, as it
// does nearly always. It returns "" when it does not.
func bufferedHead(br *bufio.Reader, limit limits) (string, error) {
	if _, err := br.Peek(1); err != nil {
		return "", err
	}
	buffered, _ := br.Peek(br.Buffered())
	end := bytes.Index(buffered, []byte("\r\n\r\n"))
	if end < 0 {
		return "", nil
	}
	head, rest := buffered[:end+2], buffered[:end+2]
	for lines := 0; len(rest) > 0; lines++ {
		line := rest[:bytes.IndexByte(rest, '\n')+1]
		if err := checkLine(line, lines, limit); err != nil {
			return "", err
		}
		rest = rest[len(line):]
	}
	text := string(head)
	_, err := br.Discard(end + 4)
	return text, err
}

// appendLine appends the next line with its line feed to head. The whole may
// not be longer than either limit.
func appendLine(head []byte, br *bufio.Reader, limit, whole int) ([]byte, error) {
	for {
		piece, err := br.ReadSlice('\n')
		head = append(head, piece...)
		switch {
		case len(head) > limit || len(head) > whole+2:
			return head, bufio.ErrTooLong
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(head) > 0:
			return head, io.ErrUnexpectedEOF
		}
		return head, err
	}
}

// checkLine checks one line of a head, with its line feed. The last is empty.
func checkLine(line []byte, lines int, limit limits) error {
	switch {
	case len(line) < 2 || line[len(line)-2] != '\r':
		return bad("line that does not end in CRLF")
	case len(line) == 2 && lines == 0:
		return bad("empty line where a start line belongs")
	case lines > limit.fields && len(line) > 2, len(line) > limit.line:
		return tooLarge(lines)
	case badByte(line[:len(line)-2]) >= 0:
		return bad("control character in the head")
	}
	return nil
}

func tooLarge(lines int) error {
	if lines == 0 {
		return &badRequest{http.StatusRequestURITooLong, "request line longer than 16 KiB"}
	}
	return &badRequest{http.StatusRequestHeaderFieldsTooLarge, "header with a line over 16 KiB, over 64 KiB, or over 256 fields"}
}

// badByte is the index of the first control character but TAB, or -1.
func badByte(line []byte) int {
	for i, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return i
		}
	}
	return -1
}

func parseRequestLine(r *http.Request, line string) error {
	method, rest, ok1 := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || target == "" {
		return bad("request line that is not: method, target, version")
	}
	if !isMethod(method) {
		return bad("method that is not a token in upper case")
	}
	if method == "PRI" {
		return bad("HTTP/2 preface")
	}
	for i := range len(target) {
		if target[i] <= ' ' || target[i] >= 0x7f || target[i] == '#' {
			return bad("request target with a fragment or a character that is not allowed")
		}
	}
	switch proto {
	case "HTTP/1.1":
		r.ProtoMinor = 1
	case "HTTP/1.0":
	default:
		if len(proto) == 8 && strings.HasPrefix(proto, "HTTP/") && proto[6] == '.' && isDigit(proto[5]) && isDigit(proto[7]) {
			return &badRequest{http.StatusHTTPVersionNotSupported, "version other than HTTP/1.0 and HTTP/1.1"}
		}
		return bad("request line that is not: method, target, version")
	}
	r.Method, r.RequestURI, r.Proto = method, target, proto
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isMethod(s string) bool {
	return isToken(s) && len(s) <= 32 && strings.ToUpper(s) == s
}

// isToken is RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// takeHost moves Host out of the header. HTTP/1.0 may go without.
func takeHost(r *http.Request) error {
	hosts := r.Header["Host"]
	delete(r.Header, "Host")
	switch {
	case len(hosts) > 1:
		return bad("more than one Host")
	case len(hosts) == 1 && hosts[0] == "":
		return bad("empty Host")
	case len(hosts) == 0 && r.ProtoMinor > 0:
		return bad("no Host")
	case len(hosts) == 1:
		r.Host = hosts[0]
	}
	return nil
}

// takeFraming moves the framing fields out of the header and refuses every
// pair of them that has been read in two ways (RFC 9112 section 6.3).
func takeFraming(r *http.Request) error {
	coding, chunked := r.Header["Transfer-Encoding"]
	lengths, fixed := r.Header["Content-Length"]
	switch {
	case chunked && fixed:
		return bad("both Content-Length and Transfer-Encoding")
	case chunked && r.ProtoMinor == 0:
		return bad("Transfer-Encoding in HTTP/1.0")
	case chunked && (len(coding) != 1 || !strings.EqualFold(coding[0], "chunked")):
		return &badRequest{http.StatusNotImplemented, "Transfer-Encoding other than chunked"}
	case chunked:
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
	case fixed:
		if len(lengths) != 1 {
			return bad("more than one Content-Length")
		}
		n, err := parseLength(lengths[0])
		if err != nil {
			return err
		}
		r.ContentLength = n
	}
	delete(r.Header, "Transfer-Encoding")
	delete(r.Header, "Content-Length")
	return takeConnection(r)
}

func parseLength(s string) (int64, error) {
	if s == "" || len(s) > 1 && s[0] == '0' || len(s) > 18 {
		return 0, bad("Content-Length that is not a plain number")
	}
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, bad("Content-Length that is not a plain number")
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, bad("Content-Length that is not a plain number")
	}
	return n, nil
}

// takeConnection decides whether the connection ends with this request, and
// checks Expect, the one other field that changes how a request is read.
func takeConnection(r *http.Request) error {
	r.Close = r.ProtoMinor == 0 || hasToken(r.Header["Connection"], "close")
	expect, ok := r.Header["Expect"]
	if ok && (len(expect) != 1 || !strings.EqualFold(expect[0], "100-continue")) {
		return &badRequest{http.StatusExpectationFailed, "Expect other than 100-continue"}
	}
	return nil
}

// takeTrailerNames lists the trailer fields that were announced and may come
// after the body; values follow with the last chunk.
func takeTrailerNames(r *http.Request) error {
	announced := r.Header["Trailer"]
	delete(r.Header, "Trailer")
	if r.ContentLength >= 0 {
		return nil
	}
	for name := range tokens(announced) {
		if !isToken(name) {
			return bad("Trailer that is not a list of names")
		}
		if name = textproto.CanonicalMIMEHeaderKey(name); mayTrail(name) {
			if r.Trailer == nil {
				r.Trailer = make(http.Header)
			}
			r.Trailer[name] = nil
		}
	}
	return nil
}

// expectsContinue reports whether the client waits for 100 before its body.
func expectsContinue(r *http.Request) bool {
	return r.ProtoMinor > 0 && r.ContentLength != 0 && len(r.Header["Expect"]) > 0
}
