package inject

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"authsome/internal/credential"
)

// Signing is how a request is signed with a secret that itself stays here.
type Signing struct {
	Algorithm   string `json:"algorithm"`              // sha256, sha384 or sha512 (RFC 2104)
	Key         string `json:"key,omitempty"`          // the credential's field; signing_key when left out
	KeyEncoding string `json:"key_encoding,omitempty"` // how the vendor hands the key out: base64, hex, or text when left out
	Message     string `json:"message"`                // what is signed: see messagePart; credential fields too
	Encoding    string `json:"encoding"`               // of the signature: hex or base64
	In          string `json:"in,omitempty"`           // header, also when left out, or query: there only where the client sent one
	Timestamp   string `json:"timestamp,omitempty"`    // the header field that has the time
	Clock       string `json:"clock,omitempty"`        // seconds, also when left out, milliseconds or iso
}

// messagePart is a part of a request that a message may have in braces, nil for
// a name that is none. The query is without the signature, a target is path and
// query.
func messagePart(name string) func(*signing) string {
	switch name {
	case "timestamp":
		return func(s *signing) string { return s.time }
	case "method":
		return func(s *signing) string { return strings.ToUpper(s.r.Method) }
	case "path":
		return func(s *signing) string { return s.r.URL.EscapedPath() }
	case "query":
		return func(s *signing) string { return s.r.URL.RawQuery }
	case "target":
		return (*signing).target
	case "body":
		return func(s *signing) string { return string(s.body) }
	case "body_sha256":
		return func(s *signing) string { return sha256Hex(s.body) }
	case "body_sha512":
		return func(s *signing) string { sum := sha512.Sum512(s.body); return hex.EncodeToString(sum[:]) }
	}
	return nil
}

func algorithmNamed(name string) func() hash.Hash {
	switch name {
	case "sha256":
		return sha256.New
	case "sha384":
		return sha512.New384
	case "sha512":
		return sha512.New
	}
	return nil
}

func encodingNamed(name string) func([]byte) string {
	switch name {
	case "hex":
		return hex.EncodeToString
	case "base64":
		return base64.StdEncoding.EncodeToString
	}
	return nil
}

func decodingNamed(name string) func(string) ([]byte, error) {
	switch name {
	case "":
		return func(s string) ([]byte, error) { return []byte(s), nil }
	case "hex":
		return hex.DecodeString
	case "base64":
		return base64.StdEncoding.DecodeString
	}
	return nil
}

func clockNamed(name string) func(time.Time) string {
	switch name {
	case "seconds":
		return func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	case "milliseconds":
		return func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	case "iso":
		return func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	}
	return nil
}

// signing is one request being signed.
type signing struct {
	r    *http.Request
	body []byte
	time string
}

func (s *signing) target() string {
	if s.r.URL.RawQuery == "" {
		return s.r.URL.EscapedPath()
	}
	return s.r.URL.EscapedPath() + "?" + s.r.URL.RawQuery
}

// compileHMAC is kind "hmac": the signature of the request as it leaves, in
// the header field or query parameter Name. The key signs and is never sent.
func compileHMAC(s Spec) (Injection, error) {
	if s.Sign == nil || s.Value != "" || s.Username != "" || s.Password != "" {
		return Injection{}, fmt.Errorf("hmac: has name and sign, no value, username or password")
	}
	sign := *s.Sign
	sign.Key, sign.In, sign.Clock = cmp.Or(sign.Key, credential.SigningKey), cmp.Or(sign.In, "header"), cmp.Or(sign.Clock, "seconds")
	if err := sign.check(s.Name); err != nil {
		return Injection{}, fmt.Errorf("hmac: %w", err)
	}
	needed, err := messageFields(sign.Message)
	if err != nil {
		return Injection{}, fmt.Errorf("hmac: message: %w", err)
	}
	slot := signatureSlot{name: s.Name, query: sign.In == "query"}
	needed = append(needed, sign.Key)
	slices.Sort(needed)
	return Injection{
		fields:    slices.Compact(needed),
		needsBody: func(*http.Request) bool { return slot.query || strings.Contains(sign.Message, "{body") },
		sent:      slot.sent,
		strip:     func(*http.Request) {}, // sign needs to know what the client sent
		apply:     func(*http.Request, credential.Credential) ([]string, error) { return nil, nil },
		sign: func(r *http.Request, c credential.Credential, at time.Time) ([]string, error) {
			return sign.apply(r, c, at, slot)
		},
	}, nil
}

// check looks at everything but the message.
func (s Signing) check(name string) error {
	choices := []struct {
		what, value string
		ok          bool
	}{
		{"algorithm", s.Algorithm, algorithmNamed(s.Algorithm) != nil}, {"encoding", s.Encoding, encodingNamed(s.Encoding) != nil},
		{"key_encoding", s.KeyEncoding, decodingNamed(s.KeyEncoding) != nil}, {"clock", s.Clock, clockNamed(s.Clock) != nil},
		{"in", s.In, s.In == "header" || s.In == "query"}, {"key", s.Key, credential.IsField(s.Key)},
	}
	for _, choice := range choices {
		if !choice.ok {
			return fmt.Errorf("%s %q is not known", choice.what, choice.value)
		}
	}
	if strings.Contains(s.Message, "{timestamp}") != (s.Timestamp != "") {
		return fmt.Errorf("timestamp, the header field, and {timestamp} in the message go together")
	}
	if s.Timestamp != "" {
		if err := checkHeaderName(s.Timestamp); err != nil {
			return err
		}
	}
	if s.In == "query" {
		if !isMemberName(name) {
			return fmt.Errorf("name %q is not a plain parameter name", name)
		}
		return nil
	}
	return checkHeaderName(name)
}

// messageFields checks a message and returns the credential's fields in it.
func messageFields(message string) ([]string, error) {
	if err := checkLiteral(strings.ReplaceAll(message, "\n", "")); err != nil {
		return nil, err
	}
	var fields []string
	parts := 0
	for rest := message; ; parts++ {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("unbalanced brace")
		}
		if !found {
			break
		}
		name, behind, closed := strings.Cut(after, "}")
		switch {
		case !closed:
			return nil, fmt.Errorf("unbalanced brace")
		case messagePart(name) != nil:
		case credential.Injectable(name):
			fields = append(fields, name)
		default:
			return nil, fmt.Errorf("there is no {%s}", name)
		}
		rest = behind
	}
	if parts == 0 {
		return nil, fmt.Errorf("signs nothing of the request")
	}
	return fields, nil
}

// apply signs r, when it is to be signed.
func (s Signing) apply(r *http.Request, c credential.Credential, at time.Time, slot signatureSlot) ([]string, error) {
	if slot.query && len(slot.sent(r)) == 0 {
		return nil, nil
	}
	slot.strip(r)
	key, err := s.key(c)
	if err != nil {
		return nil, err
	}
	body, _ := bodyOf(r)
	now := &signing{r: r, body: body, time: clockNamed(s.Clock)(at)}
	if s.Timestamp != "" {
		removeHeader(r, s.Timestamp)
		r.Header[http.CanonicalHeaderKey(s.Timestamp)] = []string{now.time}
	}
	message, secrets, err := s.render(now, c)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(algorithmNamed(s.Algorithm), key)
	mac.Write([]byte(message))
	signature := encodingNamed(s.Encoding)(mac.Sum(nil))
	slot.set(r, signature)
	return append(secrets, signature), nil
}

// key returns the key's bytes. The error names the field, not the value.
func (s Signing) key(c credential.Credential) ([]byte, error) {
	value := c.Field(s.Key).Reveal()
	if err := credential.Check(s.Key, value); err != nil {
		return nil, err
	}
	key, err := decodingNamed(s.KeyEncoding)(value)
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("%w: %s is not %s", credential.ErrInvalid, s.Key, s.KeyEncoding)
	}
	return key, nil
}

// render fills the message in: it was checked.
func (s Signing) render(now *signing, c credential.Credential) (message string, secrets []string, err error) {
	var b strings.Builder
	rest := s.Message
	for {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			return b.String(), secrets, nil
		}
		name, behind, _ := strings.Cut(after, "}")
		rest = behind
		if part := messagePart(name); part != nil {
			b.WriteString(part(now))
			continue
		}
		value := c.Field(name).Reveal()
		if err := credential.Check(name, value); err != nil {
			return "", nil, err
		}
		b.WriteString(value)
		secrets = append(secrets, value)
	}
}
