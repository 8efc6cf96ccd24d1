package inject

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// verify compares the signature with the one that secret makes of r, and
// returns the path as the client canonicalized it.
func (s signature) verify(r *http.Request, secret string) (path string, err error) {
	for _, name := range s.signed {
		if _, ok := signedValue(r, name); !ok {
			return "", fmt.Errorf("%w: the signed field %s did not come with the request", ErrSignature, name)
		}
	}
	key := s.key(secret)
	for _, s.path = range canonicalPaths(rawPath(r), s.service) {
		if hmac.Equal([]byte(s.sign(key, r)), []byte(s.value)) {
			return s.path, nil
		}
	}
	return "", fmt.Errorf("%w: it is not what the placeholder secret makes of this request", ErrSignature)
}

// unsteady are fields that are changed on the way by what forwards the
// request. A client may sign them; the second signature leaves them out.
var unsteady = []string{
	"accept-encoding", "connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
}

// resign signs r, from which the signature was removed, as the client had
// signed it, and returns the new signature.
func (s signature) resign(r *http.Request, k keys) string {
	s.keyID = k.id
	s.signed = slices.DeleteFunc(slices.Clone(s.signed), func(name string) bool {
		return slices.Contains(unsteady, name) || name == strings.ToLower(headerToken)
	})
	if s.presigned {
		return s.presign(r, k)
	}
	if k.token != "" {
		r.Header[headerToken] = []string{k.token}
		s.signed = append(s.signed, strings.ToLower(headerToken))
		slices.Sort(s.signed)
	}
	value := s.sign(s.key(k.secret), r)
	r.Header["Authorization"] = []string{
		algorithm + " Credential=" + s.keyID + "/" + s.scope() + ", SignedHeaders=" + strings.Join(s.signed, ";") + ", Signature=" + value,
	}
	return value
}

// presign puts the signature into the query.
func (s signature) presign(r *http.Request, k keys) string {
	added := []param{
		{name: queryAlgorithm, value: algorithm},
		{name: queryCredential, value: s.keyID + "/" + s.scope()},
		{name: querySigned, value: strings.Join(s.signed, ";")},
	}
	if k.token != "" {
		added = append(added, param{name: headerToken, value: k.token})
	}
	for _, p := range added {
		addParam(r.URL, p)
	}
	value := s.sign(s.key(k.secret), r)
	addParam(r.URL, param{name: querySignature, value: value})
	return value
}

func addParam(u *url.URL, p param) {
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += p.name + "=" + uriEncode(p.value, false)
}

// stripSigV4 removes every signature of version 2 or 4 and what belongs to it.
func stripSigV4(r *http.Request) {
	removeHeader(r, "Authorization")
	removeHeader(r, headerToken)
	query := queryParams(r.URL.RawQuery)
	names := []string{queryAlgorithm, queryCredential, querySigned, querySignature, headerToken, queryKeyID2, querySignature2}
	isSignature := func(p param) bool { return slices.ContainsFunc(names, p.is) }
	if !slices.ContainsFunc(query, isSignature) {
		return
	}
	var kept []string
	for _, p := range query {
		if !isSignature(p) {
			kept = append(kept, p.raw)
		}
	}
	r.URL.RawQuery = strings.Join(kept, "&")
}

// key derives the signing key of the scope.
func (s signature) key(secret string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, scopeEnd} {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// sign returns the signature of r.
func (s signature) sign(key []byte, r *http.Request) string {
	canonical := s.canonicalRequest(r)
	return hex.EncodeToString(mac(key, algorithm+"\n"+s.time+"\n"+s.scope()+"\n"+sha256Hex([]byte(canonical))))
}

// canonicalRequest is what is signed, see "Create a canonical request" in the
// IAM user guide.
func (s signature) canonicalRequest(r *http.Request) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + s.path + "\n" + canonicalQuery(r.URL.RawQuery) + "\n")
	for _, name := range s.signed {
		value, _ := signedValue(r, name)
		b.WriteString(name + ":" + value + "\n")
	}
	b.WriteString("\n" + strings.Join(s.signed, ";") + "\n" + s.payload)
	return b.String()
}

// signedValue returns the canonical value of a field that the request has.
func signedValue(r *http.Request, name string) (string, bool) {
	switch name {
	case "host":
		return cmp.Or(r.Host, r.URL.Host), true
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10), r.ContentLength >= 0
	}
	values, ok := r.Header[http.CanonicalHeaderKey(name)]
	trimmed := make([]string, len(values))
	for i, value := range values {
		trimmed[i] = strings.Join(strings.Fields(value), " ")
	}
	return strings.Join(trimmed, ","), ok
}

func rawPath(r *http.Request) string {
	return cmp.Or(r.URL.RawPath, r.URL.EscapedPath(), "/")
}

// canonicalPaths returns what clients make of a path when they sign it, the
// usual one of the service first. S3 takes it encoded once and as it is; for
// other services its normal form is encoded a second time, and not every
// client normalizes.
func canonicalPaths(raw, service string) []string {
	once, twice := raw, uriEncode(raw, true)
	if decoded, err := url.PathUnescape(raw); err == nil {
		once = uriEncode(decoded, true)
	}
	normal := uriEncode(normalPath(raw), true)
	paths := []string{normal, twice, raw, once}
	if isS3(service) {
		paths = []string{raw, once, twice, normal}
	}
	return paths
}

// normalPath removes empty and dot segments.
func normalPath(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "" || segment == ".":
		case segment == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case segment != "..":
			kept = append(kept, segment)
		}
	}
	normal := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && strings.HasSuffix(path, "/") {
		normal += "/"
	}
	return normal
}

// param is one parameter of a query.
type param struct {
	raw         string // as sent, with its value
	name, value string // decoded
}

func (p param) is(name string) bool { return strings.EqualFold(p.name, name) }

func queryParams(raw string) []param {
	var all []param
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		name, value, _ := strings.Cut(piece, "=")
		all = append(all, param{piece, decodeParam(name), decodeParam(value)})
	}
	return all
}

// canonicalQuery is the query encoded anew and sorted, less the signature.
func canonicalQuery(raw string) string {
	query := queryParams(raw)
	query = slices.DeleteFunc(query, func(p param) bool { return p.is(querySignature) })
	for i, p := range query {
		query[i].name, query[i].value = uriEncode(p.name, false), uriEncode(p.value, false)
	}
	slices.SortFunc(query, func(a, b param) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	pairs := make([]string, len(query))
	for i, p := range query {
		pairs[i] = p.name + "=" + p.value
	}
	return strings.Join(pairs, "&")
}

// uriEncode percent-encodes all but unreserved characters (RFC 3986 section
// 2.3), and slashes unless path.
func uriEncode(s string, path bool) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', path && c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
