package inject

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// published is a request of AWS with its signature: of the Signature Version 4
// test suite (awslabs/aws-c-auth, tests/aws-signing-test-suite/v4) or of the
// examples of the Amazon S3 API reference ("Signature calculations for the
// Authorization header", "Authenticating requests: using query parameters").
type published struct {
	method, target string
	header         string // lines
	signed         string // SignedHeaders
	signature      string
	s3             bool
	length         int64
}

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

var suite = map[string]published{
	"get-vanilla":                          {signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	"get-vanilla-empty-query-key":          {target: "/?Param1=value1", signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
	"get-vanilla-query-order-key-case":     {target: "/?Param2=value2&Param1=value1", signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	"get-vanilla-query-order-encoded":      {target: "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
	"get-vanilla-query-unreserved":         {target: "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
	"get-vanilla-utf8-query":               {target: "/?%E1%88%B4=bar", signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
	"get-utf8":                             {target: "/%E1%88%B4", signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
	"get-space-normalized":                 {target: "/example%20space/", signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
	"get-relative-relative-normalized":     {target: "/example1/example2/../..", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	"get-relative-relative-unnormalized":   {target: "/example1/example2/../..", signature: "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b"},
	"get-slashes-normalized":               {target: "//example//", signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
	"get-header-value-trim":                {header: "My-Header1: value1\nMy-Header2: \"a   b   c\"", signed: "host;my-header1;my-header2;x-amz-date", signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
	"get-header-key-duplicate":             {header: "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1", signed: "host;my-header1;x-amz-date", signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
	"post-vanilla":                         {method: "POST", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	"get-vanilla-with-session-token":       {header: "X-Amz-Security-Token:6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267", signed: "host;x-amz-date;x-amz-security-token", signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
	"post-x-www-form-urlencoded":           {method: "POST", length: 13, header: "Content-Type:application/x-www-form-urlencoded\nx-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e", signed: "content-length;content-type;host;x-amz-content-sha256;x-amz-date", signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
	"get-slashes-unnormalized query":       {target: "//example//?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&X-Amz-Signature=822a5a9ba28072c5ab2bb4a6307d0c88276d40e49fec6b724c03fb4d4ba60fc2", signature: "822a5a9ba28072c5ab2bb4a6307d0c88276d40e49fec6b724c03fb4d4ba60fc2"},
	"get-vanilla-with-session-token query": {target: "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&X-Amz-Security-Token=6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267&X-Amz-Signature=7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c", signature: "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c"},
	"S3 GET object":                        {s3: true, target: "/test.txt", header: "Range: bytes=0-9\nx-amz-content-sha256: " + emptyHash, signed: "host;range;x-amz-content-sha256;x-amz-date", signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
	"S3 PUT object":                        {s3: true, method: "PUT", target: "/test%24file.text", header: "Date: Fri, 24 May 2013 00:00:00 GMT\nx-amz-storage-class: REDUCED_REDUNDANCY\nx-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", signed: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
	"S3 GET bucket lifecycle":              {s3: true, target: "/?lifecycle", header: "x-amz-content-sha256: " + emptyHash, signed: "host;x-amz-content-sha256;x-amz-date", signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
	"S3 list objects":                      {s3: true, target: "/?max-keys=2&prefix=J", header: "x-amz-content-sha256: " + emptyHash, signed: "host;x-amz-content-sha256;x-amz-date", signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	"S3 presigned":                         {s3: true, target: "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", signature: "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"},
}

// keysOf returns the published example keys: the suite's and S3's differ in
// one character of the secret.
func (p published) keys() keys {
	k := keys{id: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	if p.s3 {
		k = keys{id: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	}
	for line := range strings.SplitSeq(p.header+"\n"+strings.ReplaceAll(p.target, "&", "\n"), "\n") {
		if name, value, _ := strings.Cut(line, ":"); name == headerToken {
			k.token = value
		}
		if name, value, _ := strings.Cut(line, "="); name == headerToken {
			k.token = value
		}
	}
	return k
}

func (p published) request(t *testing.T) *http.Request {
	t.Helper()
	path, query, _ := strings.Cut(p.target, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{
		Method: p.method, Host: "example.amazonaws.com", Header: http.Header{}, ContentLength: p.length, Body: http.NoBody,
		URL: &url.URL{Scheme: "https", Path: decoded, RawPath: path, RawQuery: query},
	}
	at, credential := "20150830T123600Z", "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
	if p.s3 {
		r.Host, at, credential = "examplebucket.s3.amazonaws.com", "20130524T000000Z", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
	}
	for line := range strings.SplitSeq(p.header, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			r.Header.Add(name, strings.TrimSpace(value))
		}
	}
	if !strings.Contains(query, "X-Amz-Signature") {
		r.Header.Set(headerDate, at)
		r.Header.Set("Authorization", algorithm+" Credential="+credential+", SignedHeaders="+p.signed+", Signature="+p.signature)
	}
	return r
}

// TestPublishedSignatures reads, verifies and makes every signature that AWS
// published.
func TestPublishedSignatures(t *testing.T) {
	for name, p := range suite {
		t.Run(name, func(t *testing.T) {
			if p.method == "" {
				p.method = "GET"
			}
			if p.signed == "" {
				p.signed = "host;x-amz-date"
			}
			if p.target == "" {
				p.target = "/"
			}
			r := p.request(t)
			given, err := readSignature(r)
			if err != nil {
				t.Fatal(err)
			}
			if given.payload, err = payloadHash(r, given, new(heldBodies)); err != nil {
				t.Fatal(err)
			}
			if given.path, err = given.verify(r, p.keys().secret); err != nil {
				t.Fatalf("%v of\n%s", err, given.canonicalRequest(r))
			}
			stripSigV4(r)
			if made := given.resign(r, p.keys()); made != p.signature {
				t.Errorf("made %s", made)
			}
		})
	}
}

// chunked is an upload of the S3 API reference ("Transferring payload in
// multiple chunks", "Including trailing headers"): 65 KiB of the letter a.
type chunked struct {
	seed    string
	chunks  [3]string
	trailer string // all of it
}

var uploads = map[string]chunked{
	streamingSigned: {
		"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
		[3]string{
			"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
			"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
			"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
		},
		"\r\n",
	},
	streamingSigned + "-TRAILER": {
		"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
		[3]string{
			"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
			"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
			"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
		},
		"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
	},
}

func (c chunked) body() string {
	a := func(n int) string { return strings.Repeat("a", n) }
	return "10000;chunk-signature=" + c.chunks[0] + "\r\n" + a(65536) + "\r\n400;chunk-signature=" + c.chunks[1] + "\r\n" + a(1024) +
		"\r\n0;chunk-signature=" + c.chunks[2] + "\r\n" + c.trailer
}

func (c chunked) signature(payload string) signature {
	return signature{date: "20130524", region: "us-east-1", service: "s3", time: "20130524T000000Z", value: c.seed, payload: payload}
}

// reseal signs body anew, read in the pieces that read makes.
func reseal(body string, s signature, from, to, made string, read func(io.Reader) io.Reader) (string, error) {
	signer := newChunkSigner(io.NopCloser(strings.NewReader(body)), s, from, to, made)
	out, err := io.ReadAll(read(signer))
	return string(out), err
}

// TestPublishedChunks: the published chunks are accepted, and made of chunks
// that were signed with the placeholder.
func TestPublishedChunks(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	readers := map[string]func(io.Reader) io.Reader{"bytes": iotest.OneByteReader, "pieces": func(r io.Reader) io.Reader { return r }}
	for payload, c := range uploads {
		for pieces, read := range readers {
			t.Run(payload+"/"+pieces, func(t *testing.T) {
				placed, err := reseal(c.body(), c.signature(payload), secret, Placeholder, strings.Repeat("0", 64), read)
				if err != nil {
					t.Fatal(err)
				}
				if len(placed) != len(c.body()) || placed == c.body() {
					t.Error("the length changed, or nothing did")
				}
				s := c.signature(payload)
				s.value = strings.Repeat("0", 64)
				back, err := reseal(placed, s, Placeholder, secret, c.seed, read)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.body(), back); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestChunksRefused: a body that is not as it was signed ends with an error,
// and nothing of the chunk in question goes out.
func TestChunksRefused(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	plain, trailer := uploads[streamingSigned], uploads[streamingSigned+"-TRAILER"]
	swap := func(s, old, with string) string { return strings.Replace(s, old, with, 1) }
	for name, c := range map[string]struct {
		body    string
		trailer bool
		want    error
		passed  int // chunks before the error
	}{
		"byte of the first":        {swap(plain.body(), "\r\naaaa", "\r\naaab"), false, ErrSignature, 0},
		"signature of the second":  {swap(plain.body(), "0055", "0056"), false, ErrSignature, 1},
		"signature of the last":    {swap(plain.body(), "b6c6", "b6c7"), false, ErrSignature, 2},
		"second chunk left out":    {swap(plain.body(), "400;chunk-signature="+plain.chunks[1]+"\r\n"+strings.Repeat("a", 1024)+"\r\n", ""), false, ErrSignature, 1},
		"no last chunk":            {swap(plain.body(), "\r\n0;chunk-signature="+plain.chunks[2]+"\r\n\r\n", "\r\n"), false, ErrSignature, 2},
		"cut in a chunk":           {plain.body()[:70], false, ErrSignature, 0},
		"empty":                    {"", false, ErrSignature, 0},
		"something behind the end": {plain.body() + "x", false, ErrSignature, 2},
		"not signed":               {"10000\r\n" + strings.Repeat("a", 65536), false, ErrSignature, 0},
		"line without end":         {strings.Repeat("1", 1000), false, ErrSignature, 0},
		"size too large":           {"ffffffff;chunk-signature=" + plain.chunks[0] + "\r\n", false, ErrSigning, 0},
		"size of nine digits":      {"100000000;chunk-signature=" + plain.chunks[0] + "\r\n", false, ErrSignature, 0},
		"size with a sign":         {"+1;chunk-signature=" + plain.chunks[0] + "\r\n", false, ErrSignature, 0},
		"trailer changed":          {swap(trailer.body(), "sOO8", "sOO9"), true, ErrSignature, 2},
		"trailer added to":         {swap(trailer.body(), "x-amz-trailer", "x-amz-meta-a:b\r\nx-amz-trailer"), true, ErrSignature, 2},
		"trailer not signed":       {swap(trailer.body(), "x-amz-trailer-signature", "x-amz-other"), true, ErrSignature, 2},
		"trailer signed twice":     {trailer.body() + "x-amz-trailer-signature:" + plain.chunks[0] + "\r\n", true, ErrSignature, 2},
		"trailer too long":         {trailer.body() + strings.Repeat("x", maxTrailer), true, ErrSignature, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := plain.signature(streamingSigned)
			if c.trailer {
				s = trailer.signature(streamingSigned + "-TRAILER")
			}
			out, err := reseal(c.body, s, secret, Placeholder, s.value, func(r io.Reader) io.Reader { return r })
			if !errors.Is(err, c.want) {
				t.Errorf("error %v", err)
			}
			if got := strings.Count(out, chunkExtension); got != c.passed {
				t.Errorf("%d chunks went out before that", got)
			}
		})
	}
}

// FuzzChunks: no body makes it fail in another way than with an error, and
// what passes keeps its length and its data.
func FuzzChunks(f *testing.F) {
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	for payload, c := range uploads {
		s := c.signature(payload)
		links, body := chain{s.key(secret), s.time + "\n" + s.scope() + "\n", c.seed}, ""
		for _, data := range []string{"hello\r\n", "x", ""} {
			body += fmt.Sprintf("%x;chunk-signature=%s\r\n%s", len(data), links.next(algorithm+"-PAYLOAD", emptyHash, sha256Hex([]byte(data))), data)
			if data != "" {
				body += "\r\n"
			}
		}
		if payload != streamingSigned {
			body += "a:b\r\nx-amz-trailer-signature:" + links.next(algorithm+"-TRAILER", sha256Hex([]byte("a:b\n"))) + "\r\n"
		}
		f.Add(body+"\r\n", payload != streamingSigned)
	}
	f.Add("0;chunk-signature="+emptyHash+"\r\n\r\n", false)
	f.Fuzz(func(t *testing.T, body string, trailer bool) {
		payload := streamingSigned
		if trailer {
			payload += "-TRAILER"
		}
		c := uploads[payload]
		out, err := reseal(body, c.signature(payload), secret, Placeholder, c.seed, func(r io.Reader) io.Reader { return r })
		if err == nil && len(out) != len(body) {
			t.Errorf("%d bytes became %d", len(body), len(out))
		}
		if err != nil && !errors.Is(err, ErrSignature) && !errors.Is(err, ErrSigning) {
			t.Errorf("error %v", err)
		}
	})
}

// FuzzSignature: whatever stands in Authorization and the query, there is a
// signature that can be written again, or an error.
func FuzzSignature(f *testing.F) {
	for _, p := range suite {
		_, query, _ := strings.Cut(p.target, "?")
		f.Add(algorithm+" Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="+p.signed+", Signature="+p.signature, query, "/")
	}
	f.Add("AWS AKIAAUTHSOMEPROXYMAN:c2ln", "AWSAccessKeyId=x&Signature=y", "/%zz")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=x/20150830/s3/aws4_request", "X-Amz-Credential=%2F%2F", "/a//../%2F")
	f.Fuzz(func(t *testing.T, authorization, query, path string) {
		r := &http.Request{Method: "GET", Host: "h", Header: http.Header{headerDate: {"20150830T123600Z"}}, Body: http.NoBody, URL: &url.URL{Path: path, RawPath: path, RawQuery: query}}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		sentKeyIDs(r)
		given, err := readSignature(r)
		if err != nil {
			if !errors.Is(err, ErrSignature) && !errors.Is(err, ErrSigning) {
				t.Errorf("error %v", err)
			}
			return
		}
		given.payload = unsignedPayload
		given.path, _ = given.verify(r, Placeholder)
		stripSigV4(r)
		if len(sentKeyIDs(r)) > 0 {
			t.Error("a key ID is left")
		}
		made := given.resign(r, keys{id: KeyIDPlaceholder, secret: Placeholder})
		again, err := readSignature(r)
		if err != nil || again.value != made {
			t.Fatalf("what was made can't be read: %v", err)
		}
		again.payload, again.path = given.payload, given.path
		if !bytes.Equal([]byte(again.sign(again.key(Placeholder), r)), []byte(made)) {
			t.Error("what was made does not hold")
		}
	})
}
