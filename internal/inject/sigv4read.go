package inject

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Names of Signature Version 4, and the two of version 2 that tell it.
const (
	algorithm       = "AWS4-HMAC-SHA256"
	headerPayload   = "X-Amz-Content-Sha256"
	headerDate      = "X-Amz-Date"
	headerToken     = "X-Amz-Security-Token"
	queryAlgorithm  = "X-Amz-Algorithm"
	queryCredential = "X-Amz-Credential"
	querySigned     = "X-Amz-SignedHeaders"
	querySignature  = "X-Amz-Signature"
	queryKeyID2     = "AWSAccessKeyId"
	querySignature2 = "Signature"

	scopeEnd  = "aws4_request"
	timestamp = "20060102T150405Z"
)

// signature is a signature of version 4 and what it says of itself.
type signature struct {
	presigned bool // it stands in the query
	keyID     string
	date      string // of the scope, YYYYMMDD
	region    string
	service   string
	time      string   // YYYYMMDDTHHMMSSZ, of the same day
	signed    []string // names of the signed header fields, lower case, sorted
	value     string   // 64 digits

	payload string // the canonical request's line of the payload
	path    string // and of the path
}

func (s signature) scope() string {
	return s.date + "/" + s.region + "/" + s.service + "/" + scopeEnd
}

// isS3 reports whether a service takes paths and presigned payloads as S3 does.
func isS3(service string) bool { return strings.HasPrefix(service, "s3") }

// readSignature finds the one signature on r. The error says what is wrong
// with it and quotes nothing of it.
func readSignature(r *http.Request) (signature, error) {
	fields := headerValues(r.Header, "Authorization")
	query := queryParams(r.URL.RawQuery)
	presigned := slices.ContainsFunc(query, func(p param) bool { return p.is(querySignature) || p.is(queryCredential) })
	switch {
	case len(fields) > 1, len(fields) == 1 && presigned:
		return signature{}, fmt.Errorf("%w: the request is signed more than once", ErrSignature)
	case presigned:
		return readPresigned(r, query)
	case len(fields) == 1:
		return readAuthorization(r, fields[0])
	case slices.ContainsFunc(query, func(p param) bool { return p.is(queryKeyID2) || p.is(querySignature2) }):
		return signature{}, errVersion2
	}
	return signature{}, fmt.Errorf("%w: the request is not signed", ErrSignature)
}

var (
	errVersion2  = fmt.Errorf("%w: AWS Signature Version 2; make the client sign with version 4 (s3v4)", ErrSigning)
	errVersion4A = fmt.Errorf("%w: AWS Signature Version 4A, which signs for several regions; name one region", ErrSigning)
)

// checkAlgorithm takes the first word of an Authorization value, or the
// algorithm in a query.
func checkAlgorithm(name string) error {
	switch {
	case name == algorithm:
		return nil
	case strings.HasPrefix(name, "AWS4-ECDSA"):
		return errVersion4A
	case name == "AWS":
		return errVersion2
	}
	return fmt.Errorf("%w: the request is not signed with %s", ErrSignature, algorithm)
}

// readAuthorization reads an Authorization value and the time beside it.
func readAuthorization(r *http.Request, value string) (signature, error) {
	name, rest, _ := strings.Cut(value, " ")
	if err := checkAlgorithm(name); err != nil {
		return signature{}, err
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		key, text, ok := strings.Cut(strings.Trim(part, " \t"), "=")
		if _, again := parts[key]; !ok || again {
			return signature{}, malformed("Authorization")
		}
		parts[key] = text
	}
	if len(parts) != 3 {
		return signature{}, malformed("Authorization")
	}
	at, err := readTime(r.Header)
	if err != nil {
		return signature{}, err
	}
	return newSignature(parts["Credential"], parts["SignedHeaders"], parts["Signature"], at)
}

// readPresigned reads the parameters of a presigned URL.
func readPresigned(r *http.Request, query []param) (signature, error) {
	parts := map[string]string{}
	for _, name := range []string{queryAlgorithm, queryCredential, querySigned, querySignature, headerDate, headerToken} {
		for _, p := range query {
			if !p.is(name) {
				continue
			}
			if _, again := parts[name]; again {
				return signature{}, malformed(name)
			}
			parts[name] = p.value
		}
	}
	if err := checkAlgorithm(parts[queryAlgorithm]); err != nil {
		return signature{}, err
	}
	s, err := newSignature(parts[queryCredential], parts[querySigned], parts[querySignature], parts[headerDate])
	s.presigned = true
	return s, err
}

func malformed(where string) error {
	return fmt.Errorf("%w: %s is malformed", ErrSignature, where)
}

// readTime returns the time of a signature in the head. Date stands in where
// X-Amz-Date is missing.
func readTime(h http.Header) (string, error) {
	if at := h[headerDate]; len(at) == 1 {
		return at[0], nil
	}
	if at := h["Date"]; len(h[headerDate]) == 0 && len(at) == 1 {
		if parsed, err := http.ParseTime(at[0]); err == nil {
			return parsed.UTC().Format(timestamp), nil
		}
		return at[0], nil
	}
	return "", fmt.Errorf("%w: the request has no %s", ErrSignature, headerDate)
}

// newSignature checks the parts of a signature.
func newSignature(credential, signed, value, at string) (signature, error) {
	s := signature{signed: strings.Split(signed, ";"), value: value, time: at}
	if !s.readCredential(credential) {
		return signature{}, malformed("Credential")
	}
	if _, err := time.Parse(timestamp, at); err != nil || !strings.HasPrefix(at, s.date+"T") {
		return signature{}, malformed(headerDate)
	}
	if !isHash(value) {
		return signature{}, malformed("Signature")
	}
	if !slices.Contains(s.signed, "host") || !slices.IsSorted(s.signed) || slices.ContainsFunc(s.signed, notLowerName) {
		return signature{}, malformed("SignedHeaders")
	}
	return s, nil
}

// readCredential reads KEY/DATE/REGION/SERVICE/aws4_request. The key may hold
// slashes: a placeholder names a connection as PROVIDER/NAME.
func (s *signature) readCredential(credential string) bool {
	parts := strings.Split(credential, "/")
	n := len(parts) - 4
	if n < 1 || parts[n+3] != scopeEnd {
		return false
	}
	s.keyID, s.date, s.region, s.service = strings.Join(parts[:n], "/"), parts[n], parts[n+1], parts[n+2]
	return s.keyID != "" && len(s.date) == len("20060102") && isScopeWord(s.region) && isScopeWord(s.service)
}

// isScopeWord reports whether s can be a region or a service.
func isScopeWord(s string) bool { return 0 < len(s) && len(s) <= 64 && isPlain(s, "_.-") }

// notLowerName reports whether s can't be the name of a header field as
// SignedHeaders has it.
func notLowerName(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}
