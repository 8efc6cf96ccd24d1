package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
)

// maxAnswerHead bounds the head of a response, and maxAnswerFields its lines.
const (
	maxAnswerHead   = 256 << 10
	maxAnswerFields = 1000
)

// badAnswer is a response that two readers could understand differently, or
// that breaks off the rules. Its text names the rule and quotes nothing.
type badAnswer struct{ reason string }

func (e *badAnswer) Error() string { return e.reason }

// ofAnswer makes an error of the parsers, which speak of requests, one of a
// response.
func ofAnswer(err error) error {
	e, ok := errors.AsType[*badRequest](err)
	switch {
	case !ok:
		return err
	case e.status == http.StatusRequestHeaderFieldsTooLarge, e.status == http.StatusRequestURITooLong:
		return &badAnswer{"head over 256 KiB or 1,000 fields"}
	}
	return &badAnswer{e.reason}
}

// readAnswer reads the head of one response to a request of that method (RFC
// 9112), as strictly as readHead reads a request's. The response has
// StatusCode, ProtoMinor, Header, ContentLength, TransferEncoding when the
// body is chunked, Trailer names and Close; its Body is not set.
func readAnswer(br *bufio.Reader, method string) (*http.Response, fields, error) {
	if start, err := br.Peek(len("HTTP/1.")); err != nil || string(start) != "HTTP/1." {
		return nil, nil, noAnswer(start, err)
	}
	text, err := readHeadText(br, limits{maxAnswerHead, maxAnswerHead, maxAnswerFields})
	if err != nil {
		return nil, nil, ofAnswer(err)
	}
	line, rest, _ := strings.Cut(text, "\r\n")
	resp := &http.Response{ProtoMajor: 1}
	if err := parseStatusLine(resp, line); err != nil {
		return nil, nil, err
	}
	var lines fields
	if resp.Header, lines, err = parseFields(rest); err != nil {
		return nil, nil, ofAnswer(err)
	}
	return resp, lines, takeAnswerFraming(resp, method)
}

// noAnswer is what is wrong with a response that does not begin as one.
func noAnswer(start []byte, err error) error {
	switch {
	case errors.Is(err, io.EOF) && len(start) > 0:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	return errVersion
}

var errVersion = &badAnswer{"status line without HTTP/1.0 or HTTP/1.1"}

// parseStatusLine reads version, code and a reason that nobody needs, of which
// some servers forget the space before it.
func parseStatusLine(resp *http.Response, line string) error {
	version, rest, _ := strings.Cut(line, " ")
	switch version {
	case "HTTP/1.1":
		resp.ProtoMinor = 1
	case "HTTP/1.0":
	default:
		return errVersion
	}
	code, _, _ := strings.Cut(rest, " ")
	if len(code) != 3 || code[0] < '1' || !isDigit(code[0]) || !isDigit(code[1]) || !isDigit(code[2]) {
		return &badAnswer{"status that is not three digits from 100"}
	}
	resp.Proto = version
	resp.StatusCode = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	return nil
}

// takeAnswerFraming finds out where the body ends (RFC 9112 section 6.3).
func takeAnswerFraming(resp *http.Response, method string) error {
	coding, chunked := resp.Header["Transfer-Encoding"]
	lengths, fixed := resp.Header["Content-Length"]
	resp.ContentLength = -1
	switch {
	case chunked && fixed:
		return &badAnswer{"both Content-Length and Transfer-Encoding"}
	case chunked && resp.ProtoMinor == 0:
		return &badAnswer{"Transfer-Encoding in HTTP/1.0"}
	case chunked && (len(coding) != 1 || !strings.EqualFold(coding[0], "chunked")):
		return &badAnswer{"Transfer-Encoding other than chunked"}
	case fixed && len(lengths) != 1:
		return &badAnswer{"more than one Content-Length"}
	case chunked:
		resp.TransferEncoding = []string{"chunked"}
	case fixed:
		n, err := parseLength(lengths[0])
		if err != nil {
			return ofAnswer(err)
		}
		resp.ContentLength = n
	}
	resp.Close = resp.ProtoMinor == 0 || hasToken(resp.Header["Connection"], "close")
	if isBodiless(resp.StatusCode, method) {
		// A 1xx or 204 may announce no body. Whether one comes can't be known.
		announced := resp.StatusCode != http.StatusNotModified && method != http.MethodHead && (chunked || resp.ContentLength > 0)
		resp.Close = resp.Close || announced
		return nil
	}
	resp.Close = resp.Close || !chunked && !fixed
	return takeAnswerTrailer(resp, chunked)
}

// isBodiless reports whether a response ends with its head.
func isBodiless(status int, method string) bool {
	return status < 200 || status == http.StatusNoContent || status == http.StatusNotModified || method == http.MethodHead
}

// takeAnswerTrailer lists the trailer fields that were announced.
func takeAnswerTrailer(resp *http.Response, chunked bool) error {
	if !chunked {
		return nil
	}
	for name := range tokens(resp.Header["Trailer"]) {
		if !isToken(name) {
			return &badAnswer{"Trailer that is not a list of names"}
		}
		if resp.Trailer == nil {
			resp.Trailer = make(http.Header)
		}
		resp.Trailer[textproto.CanonicalMIMEHeaderKey(name)] = nil
	}
	return nil
}
