package inject

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"authsome/internal/credential"
	"authsome/internal/secret"
)

const (
	realID     = "AKIAIOSFODNN7EXAMPLE"
	realSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// placed is a request that a client signed with the placeholder.
func placed(t *testing.T, service, body string, edit func(*http.Request)) *http.Request {
	t.Helper()
	r := &http.Request{
		Method: "PUT", Host: "bucket.s3.eu-west-1.amazonaws.com", ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{headerDate: {"20261124T120000Z"}, "Content-Type": {"text/plain"}, "Accept-Encoding": {"identity"}},
		URL:    &url.URL{Scheme: "https", Host: "bucket.s3.eu-west-1.amazonaws.com", Path: "/a b", RawPath: "/a%20b", RawQuery: "x=1&a=%2F"},
	}
	s := signature{
		date: "20261124", region: "eu-west-1", service: service, time: "20261124T120000Z", payload: sha256Hex([]byte(body)),
		signed: []string{"accept-encoding", "content-length", "content-type", "host", "x-amz-date"},
	}
	s.path = canonicalPaths(rawPath(r), service)[0]
	if edit != nil {
		edit(r)
	}
	s.signPlaced(r)
	return r
}

// signPlaced signs as a client does, unsteady fields too.
func (s signature) signPlaced(r *http.Request) {
	if declared := r.Header.Get(headerPayload); declared != "" {
		s.payload, s.signed = declared, append(s.signed[:4:4], "x-amz-content-sha256", "x-amz-date")
	}
	value := s.sign(s.key(Placeholder), r)
	r.Header.Set("Authorization", algorithm+" Credential="+KeyIDPlaceholder+"/"+s.scope()+", SignedHeaders="+strings.Join(s.signed, ";")+", Signature="+value)
}

func applied(t *testing.T, r *http.Request) error {
	t.Helper()
	injection, err := Compile(Spec{Kind: "sigv4"})
	if err != nil {
		t.Fatal(err)
	}
	c := credential.Credential{Fields: map[string]secret.Text{credential.AccessKeyID: secret.New(realID), credential.SecretAccessKey: secret.New(realSecret)}}
	_, err = ApplyAll([]Injection{injection}, r.WithContext(t.Context()), c, time.Time{})
	return err
}

// TestSigV4SignsAnew: the new signature is right, covers what the client had
// signed but for what is changed on the way, and the body is as it was.
func TestSigV4SignsAnew(t *testing.T) {
	for name, service := range map[string]string{"S3": "s3", "another": "sts"} {
		t.Run(name, func(t *testing.T) {
			r := placed(t, service, "hello", nil)
			injection, err := Compile(Spec{Kind: "sigv4"})
			if err != nil {
				t.Fatal(err)
			}
			r = r.WithContext(t.Context())
			c := credential.Credential{Fields: map[string]secret.Text{credential.AccessKeyID: secret.New(realID), credential.SecretAccessKey: secret.New(realSecret)}}
			if _, err := injection.Apply(r, c); err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", "gzip")
			made, err := readSignature(r)
			if err != nil {
				t.Fatal(err)
			}
			made.payload = sha256Hex([]byte("hello"))
			if _, err := made.verify(r, realSecret); err != nil {
				t.Error(err)
			}
			if got := strings.Join(made.signed, ";"); got != "content-length;content-type;host;x-amz-date" || made.keyID != realID {
				t.Errorf("signed %s by %s", got, made.keyID)
			}
			if body, err := io.ReadAll(r.Body); string(body) != "hello" || err != nil {
				t.Errorf("body %q, error %v", body, err)
			}
		})
	}
}

// TestSigV4Refuses: what was changed after the placeholder signed it is not
// signed, and what can't be signed says so.
func TestSigV4Refuses(t *testing.T) {
	declare := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(headerPayload, value) }
	}
	authorize := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	replace := func(old, with string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, with, 1))
		}
	}
	for name, c := range map[string]struct {
		sign, change func(*http.Request)
		want         error
		say          string
	}{
		"method":             {change: func(r *http.Request) { r.Method = "DELETE" }, want: ErrSignature},
		"path":               {change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/b", "/b" }, want: ErrSignature},
		"query":              {change: func(r *http.Request) { r.URL.RawQuery = "x=2&a=%2F" }, want: ErrSignature},
		"query added to":     {change: func(r *http.Request) { r.URL.RawQuery += "&acl" }, want: ErrSignature},
		"host":               {change: func(r *http.Request) { r.Host = "other.s3.eu-west-1.amazonaws.com" }, want: ErrSignature},
		"signed field":       {change: func(r *http.Request) { r.Header.Set("Content-Type", "text/html") }, want: ErrSignature},
		"signed field gone":  {change: func(r *http.Request) { r.Header.Del("Content-Type") }, want: ErrSignature, say: "content-type did not come"},
		"body":               {change: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("jello")) }, want: ErrSignature},
		"time":               {change: func(r *http.Request) { r.Header.Set(headerDate, "20261124T120001Z") }, want: ErrSignature},
		"time of other day":  {change: func(r *http.Request) { r.Header.Set(headerDate, "20261125T120000Z") }, want: ErrSignature, say: "X-Amz-Date is malformed"},
		"no time":            {change: func(r *http.Request) { r.Header.Del(headerDate) }, want: ErrSignature, say: "no X-Amz-Date"},
		"region":             {change: replace("eu-west-1", "us-east-1"), want: ErrSignature},
		"service":            {change: replace("/sts/", "/iam/"), want: ErrSignature},
		"key of the client":  {change: replace(KeyIDPlaceholder, realID), want: ErrSignature, say: "key of the client's own"},
		"host not signed":    {change: replace(";host", ""), want: ErrSignature, say: "SignedHeaders is malformed"},
		"not sorted":         {change: replace("content-length;content-type", "content-type;content-length"), want: ErrSignature, say: "SignedHeaders"},
		"signature too long": {change: replace("Signature=", "Signature=0"), want: ErrSignature, say: "Signature is malformed"},
		"part twice":         {change: replace(", Signature", ", SignedHeaders=host, Signature"), want: ErrSignature, say: "Authorization is malformed"},
		"signed twice":       {change: func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=" + emptyHash }, want: ErrSignature, say: "more than once"},
		"other spelling":     {change: func(r *http.Request) { r.Header["authorization"] = []string{"x"} }, want: ErrSignature, say: "more than once"},
		"not signed":         {change: func(r *http.Request) { r.Header.Del("Authorization") }, want: ErrSignature, say: "not signed"},
		"bearer":             {change: authorize("Bearer " + Placeholder), want: ErrSignature, say: "not signed with AWS4-HMAC-SHA256"},
		"version 2":          {change: authorize("AWS " + KeyIDPlaceholder + ":c2lnbmF0dXJl"), want: ErrSigning, say: "Version 2;"},
		"version 2 query": {change: func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "AWSAccessKeyId=" + KeyIDPlaceholder + "&Signature=x&Expires=1"
		}, want: ErrSigning, say: "Version 2;"},
		"version 4A":         {change: replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), want: ErrSigning, say: "Version 4A"},
		"event stream":       {sign: declare("STREAMING-AWS4-HMAC-SHA256-EVENTS"), want: ErrSigning, say: "streaming payload"},
		"no hash":            {sign: declare("required"), want: ErrSignature, say: "is no hash"},
		"declared twice":     {sign: declare(unsignedPayload), change: func(r *http.Request) { r.Header["x_amz_content_sha256"] = []string{emptyHash} }, want: ErrSignature, say: "more than one"},
		"body of 17 MiB":     {change: func(r *http.Request) { r.ContentLength = 17 << 20 }, want: ErrSigning, say: "longer than 16 MiB"},
		"body without bound": {change: func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(endless{}) }, want: ErrSigning, say: "longer than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			r := placed(t, "sts", "hello", c.sign)
			if c.change != nil {
				c.change(r)
			}
			err := applied(t, r)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), realSecret) {
				t.Error("the error has the secret")
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestSigV4Held: bodies that are held for their hash count against one bound
// until they are sent, refused, or their connection ends.
func TestSigV4Held(t *testing.T) {
	h := new(heldBodies)
	take := func(n int64) *http.Request {
		r := (&http.Request{Body: io.NopCloser(io.LimitReader(endless{}, n)), ContentLength: n}).WithContext(t.Context())
		if _, err := h.hash(r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	sent, closed, refused := take(5), take(7), take(11)
	if got := h.bytes.Load(); got != 23 {
		t.Errorf("%d bytes are held", got)
	}
	if _, err := io.ReadFull(sent.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	_ = closed.Body.Close()
	_ = closed.Body.Close()
	letGo(refused)
	if got := h.bytes.Load(); got != 0 {
		t.Errorf("%d bytes are held after all", got)
	}
	h.bytes.Store(maxHeld)
	r := (&http.Request{Body: io.NopCloser(endless{}), ContentLength: 1}).WithContext(t.Context())
	if _, err := h.hash(r); !errors.Is(err, ErrSigning) || h.bytes.Load() != maxHeld {
		t.Errorf("error %v, %d bytes", err, h.bytes.Load())
	}
}
