package inject_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/credential"
	"authsome/internal/inject"
	"authsome/internal/secret"
	"encoding/base64"
)

// vector is one request before and after an injection.
type vector struct {
	Name   string            `json:"name"`
	Spec   inject.Spec       `json:"spec"`
	Fields map[string]string `json:"fields"`
	Header http.Header       `json:"header"`
	Query  string            `json:"query"`
	// Path is /v1 when left out, At is in Unix seconds.
	Method, Path, Body string
	At                 int64
	// Message is what the client says on the websocket.
	Message string `json:"message"`
	Want    struct {
		Header http.Header `json:"header"`
		Query  string      `json:"query"`
		Path   string      `json:"path"`
		Body   string      `json:"body"`

		Message        string   `json:"message"`
		MessageSecrets []string `json:"messageSecrets"`

		Sent   []string `json:"sent"`
		Redact []string `json:"redact"`
		Error  string   `json:"error"`
	} `json:"want"`
}

func (v vector) request() *http.Request {
	header := v.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	r := &http.Request{Method: first(v.Method, "GET"), Header: header, Body: http.NoBody, URL: &url.URL{Scheme: "https", Host: "api.test", RawQuery: v.Query}}
	r.URL.Path, _ = url.PathUnescape(first(v.Path, "/v1"))
	r.URL.RawPath = first(v.Path, "/v1")
	if v.Body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(v.Body)), int64(len(v.Body))
	}
	return r
}

// first returns the first of all that is not empty.
func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

func (v vector) credential() credential.Credential {
	c := credential.Credential{Fields: map[string]secret.Text{}}
	for name, value := range v.Fields {
		c.Fields[name] = secret.New(value)
	}
	return c
}

// TestVectors runs every testdata file; each kind has to have one.
func TestVectors(t *testing.T) {
	for _, kind := range inject.Kinds() {
		data, err := os.ReadFile(filepath.Join("testdata", kind+".json"))
		if err != nil {
			t.Fatalf("kind %s has no vectors: %v", kind, err)
		}
		var vectors []vector
		if err := json.Unmarshal(data, &vectors); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if len(vectors) < 3 {
			t.Errorf("kind %s has %d vectors", kind, len(vectors))
		}
		for _, v := range vectors {
			t.Run(kind+"/"+v.Name, func(t *testing.T) { checkVector(t, kind, v) })
		}
	}
}

func checkVector(t *testing.T, kind string, v vector) {
	if v.Spec.Kind != kind {
		t.Fatalf("vector of kind %q in the file of %q", v.Spec.Kind, kind)
	}
	injection, err := inject.Compile(v.Spec)
	if err != nil {
		t.Fatal(err)
	}
	r := v.request()
	if err := inject.ReadBody([]inject.Injection{injection}, r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v.Want.Sent, injection.Sent(r)); diff != "" {
		t.Errorf("sent: %s", diff)
	}
	redact, err := injection.Apply(r, v.credential())
	if kind == "hmac" {
		var all inject.Applied
		all, err = inject.ApplyAll([]inject.Injection{injection}, r, v.credential(), time.Unix(v.At, 0))
		redact = all.Secrets
	}
	if v.Want.Error != "" {
		if err == nil || !strings.Contains(err.Error(), v.Want.Error) {
			t.Fatalf("got error %v, want %q", err, v.Want.Error)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v.Want.Header, r.Header); diff != "" {
		t.Errorf("header: %s", diff)
	}
	if diff := cmp.Diff(v.Want.Query, r.URL.RawQuery); diff != "" {
		t.Errorf("query: %s", diff)
	}
	if got, want := r.URL.EscapedPath(), first(v.Want.Path, v.Path, "/v1"); got != want {
		t.Errorf("path %q, want %q", got, want)
	}
	body, err := io.ReadAll(r.Body)
	if want := first(v.Want.Body, v.Body); err != nil || string(body) != want || r.ContentLength != int64(len(want)) {
		t.Errorf("body of length %d: %q, %v, want %q", r.ContentLength, body, err, want)
	}
	if diff := cmp.Diff(v.Want.Redact, redact); diff != "" {
		t.Errorf("redact: %s", diff)
	}
	if kind != "hmac" && kind != "body" {
		checkMessage(t, injection, v)
	}
}

// checkMessage is about what ApplyAll adds to Apply.
func checkMessage(t *testing.T, injection inject.Injection, v vector) {
	applied, err := inject.ApplyAll([]inject.Injection{injection}, v.request(), v.credential(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(v.Want.Redact, v.Want.MessageSecrets...), applied.Secrets); diff != "" {
		t.Errorf("secrets: %s", diff)
	}
	if (applied.Message != nil) != (v.Message != "") {
		t.Fatal("Message is there or not, and should be the other")
	}
	if applied.Message == nil {
		return
	}
	if diff := cmp.Diff(v.Want.Message, string(applied.Message([]byte(v.Message)))); diff != "" {
		t.Errorf("message: %s", diff)
	}
}

// TestHeaderCopies is R036: every spelling of the injected field goes, in the
// head and in the trailer.
func TestHeaderCopies(t *testing.T) {
	injection, err := inject.Compile(inject.Spec{Kind: "header", Name: "X-Api-Key", Value: "{api_key}"})
	if err != nil {
		t.Fatal(err)
	}
	r := vector{}.request()
	r.Header = http.Header{"x-api-key": {"1"}, "X-API-KEY": {"2", "3"}, "X_Api_Key": {"4"}, "X-Api_key": {"5"}, "X-Api-Keys": {"kept"}}
	r.Trailer = http.Header{"X-Api-Key": {"6"}, "X_api_key": {"7"}, "Grpc-Status": {"kept"}}
	if _, err := injection.Apply(r, vector{Fields: map[string]string{"api_key": "k"}}.credential()); err != nil {
		t.Fatal(err)
	}
	want := http.Header{"X-Api-Key": {"k"}, "X-Api-Keys": {"kept"}}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Errorf("R036 header: %s", diff)
	}
	if diff := cmp.Diff(http.Header{"Grpc-Status": {"kept"}}, r.Trailer); diff != "" {
		t.Errorf("R036 trailer: %s", diff)
	}
}

// TestApplyRefuses is R064 at the last moment before the wire.
func TestApplyRefuses(t *testing.T) {
	specs := []inject.Spec{
		{Kind: "header", Name: "Authorization", Value: "Bearer {api_key}"},
		{Kind: "basic", Username: "{api_key}"},
		{Kind: "query", Name: "key", Value: "{api_key}"},
		{Kind: "cookie", Name: "key", Value: "{api_key}"},
	}
	for _, spec := range specs {
		injection, err := inject.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"", "CANARY\r\nX: y", "CANARY\n", "CANARY\x00", " CANARY", "CANARY ", "CANARYé", strings.Repeat("C", 16<<10)} {
			r := vector{}.request()
			redact, err := injection.Apply(r, vector{Fields: map[string]string{"api_key": bad}}.credential())
			if err == nil || redact != nil || len(r.Header) != 0 || r.URL.RawQuery != "" {
				t.Errorf("R064 %s %.12q: error %v, header %v", spec.Kind, bad, err, r.Header)
			}
			if err != nil && strings.Contains(err.Error(), "CANARY") {
				t.Errorf("R064 %s: the error quotes the value: %v", spec.Kind, err)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	header := func(name, value string) inject.Spec { return inject.Spec{Kind: "header", Name: name, Value: value} }
	signed := func(name string, change func(*inject.Signing)) inject.Spec {
		s := inject.Signing{Algorithm: "sha256", Message: "{timestamp}{method}", Encoding: "hex", Timestamp: "X-Time"}
		change(&s)
		return inject.Spec{Kind: "hmac", Name: name, Sign: &s}
	}
	tests := map[string]struct {
		spec inject.Spec
		want string
	}{
		"no kind":         {inject.Spec{}, "is not one of basic, body, cookie, header, hmac, message, path, query, sigv4, subprotocol"},
		"protocol name":   {inject.Spec{Kind: "subprotocol", Name: "x", Value: "{api_key}"}, "no name"},
		"protocol token":  {inject.Spec{Kind: "subprotocol", Value: "a b{api_key}"}, "does not make a token"},
		"message name":    {inject.Spec{Kind: "message", Name: `a"b`, Value: "{api_key}"}, "plain name"},
		"message quote":   {inject.Spec{Kind: "message", Name: "a", Value: `"{api_key}`}, "quote or a backslash"},
		"unknown kind":    {inject.Spec{Kind: "cookies"}, "is not one of"},
		"path name":       {inject.Spec{Kind: "path", Name: "x", Value: "{api_key}"}, "no name"},
		"path slash":      {inject.Spec{Kind: "path", Value: "a/{api_key}"}, "one field in a segment"},
		"path dots":       {inject.Spec{Kind: "path", Value: ".{api_key}"}, "one field in a segment"},
		"path twice":      {inject.Spec{Kind: "path", Value: "{api_key}{username}"}, "one field in a segment"},
		"path nothing":    {inject.Spec{Kind: "path", Value: "bot"}, "no secret field"},
		"body name":       {inject.Spec{Kind: "body", Name: `a"b`, Value: "{api_key}"}, "plain name"},
		"body has user":   {inject.Spec{Kind: "body", Name: "a", Value: "{api_key}", Username: "u"}, "no username"},
		"signing key":     {header("X-Key", "{signing_key}"), "never sent"},
		"hmac alone":      {inject.Spec{Kind: "hmac", Name: "X-Sign"}, "has name and sign"},
		"hmac header":     {signed("Host", func(*inject.Signing) {}), "may not be set"},
		"hmac parameter":  {signed("a&b", func(s *inject.Signing) { s.In = "query" }), "plain parameter name"},
		"hmac algorithm":  {signed("X", func(s *inject.Signing) { s.Algorithm = "md5" }), "not known"},
		"hmac encoding":   {signed("X", func(s *inject.Signing) { s.Encoding = "" }), "not known"},
		"hmac clock":      {signed("X", func(s *inject.Signing) { s.Clock = "days" }), "not known"},
		"hmac place":      {signed("X", func(s *inject.Signing) { s.In = "cookie" }), "not known"},
		"hmac key":        {signed("X", func(s *inject.Signing) { s.Key = "k" }), "not known"},
		"hmac key base":   {signed("X", func(s *inject.Signing) { s.KeyEncoding = "base32" }), "not known"},
		"hmac no time":    {signed("X", func(s *inject.Signing) { s.Timestamp = "" }), "go together"},
		"hmac time field": {signed("X", func(s *inject.Signing) { s.Timestamp = "Content-Length" }), "may not be set"},
		"hmac nothing":    {signed("X", func(s *inject.Signing) { s.Message, s.Timestamp = "x", "" }), "signs nothing"},
		"hmac part":       {signed("X", func(s *inject.Signing) { s.Message += "{host}" }), "no {host}"},
		"hmac shows key":  {signed("X", func(s *inject.Signing) { s.Message += "{signing_key}" }), "no {signing_key}"},
		"hmac open":       {signed("X", func(s *inject.Signing) { s.Message += "{path" }), "unbalanced brace"},
		"hmac close":      {signed("X", func(s *inject.Signing) { s.Message += "}" }), "unbalanced brace"},
		"hmac control":    {signed("X", func(s *inject.Signing) { s.Message += "\x00" }), "control or non-ASCII"},
		"no field":        {header("X-Key", "abc"), "no secret field"},
		"unknown form":    {header("X-Key", "{base32:api_key}"), "{base32:api_key} is not one of"},
		"unknown field":   {header("X-Key", "{key}"), "{key} is not one of"},
		"refresh token":   {header("X-Key", "{refresh_token}"), "token endpoint only"},
		"client secret":   {header("X-Key", "{client_secret}"), "token endpoint only"},
		"open brace":      {header("X-Key", "{api_key"), "unbalanced brace"},
		"close brace":     {header("X-Key", "api_key}"), "unbalanced brace"},
		"CRLF in value":   {header("X-Key", "a\r\nb {api_key}"), "control or non-ASCII"},
		"non-ASCII value": {header("X-Key", "ü{api_key}"), "control or non-ASCII"},
		"space at end":    {header("X-Key", "{api_key} "), "starts or ends with a space"},
		"D005 Host":       {header("Host", "{api_key}"), "may not be set"},
		"D005 length":     {header("content-length", "{api_key}"), "may not be set"},
		"D005 encoding":   {header("Transfer_Encoding", "{api_key}"), "may not be set"},
		"D005 Connection": {header("Connection", "{api_key}"), "may not be set"},
		"D005 Cookie":     {header("Cookie", "{api_key}"), "may not be set"},
		"D005 Proxy-Auth": {header("Proxy-Authorization", "{api_key}"), "may not be set"},
		"D005 pseudo":     {header(":authority", "{api_key}"), "not a header field name"},
		"D005 CRLF":       {header("X\r\nY", "{api_key}"), "not a header field name"},
		"D005 empty":      {header("", "{api_key}"), "not a header field name"},
		"D005 space":      {header("x y", "{api_key}"), "not a header field name"},
		"D005 non-ASCII":  {header("Schlüssel", "{api_key}"), "not a header field name"},
		"header has user": {inject.Spec{Kind: "header", Name: "X", Value: "{api_key}", Username: "u"}, "no username"},
		"basic has name":  {inject.Spec{Kind: "basic", Name: "X", Username: "{api_key}"}, "no name or value"},
		"basic colon":     {inject.Spec{Kind: "basic", Username: "a:{api_key}"}, "colon"},
		"query name":      {inject.Spec{Kind: "query", Name: "a&b", Value: "{api_key}"}, "not a plain parameter name"},
		"cookie name":     {inject.Spec{Kind: "cookie", Name: "a=b", Value: "{api_key}"}, "not a token"},
		"cookie value":    {inject.Spec{Kind: "cookie", Name: "a", Value: "x; {api_key}"}, "no cookie can"},
		"cookie has user": {inject.Spec{Kind: "cookie", Name: "a", Value: "{api_key}", Username: "u"}, "no username"},
		"query has user":  {inject.Spec{Kind: "query", Name: "a", Value: "{api_key}", Password: "p"}, "no username"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := inject.Compile(test.spec)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestFindPlaceholder(t *testing.T) {
	type found struct {
		Selector string
		OK       bool
	}
	tests := map[string]found{
		"":                                                 {"", false},
		"sk-real":                                          {"", false},
		"authsome-proxy-managed":                           {"", true},
		"Bearer authsome-proxy-managed":                    {"", true},
		"authsome-proxy-managed:work":                      {"work", true},
		"authsome-proxy-managed:gh/work":                   {"gh/work", true},
		"authsome-proxy-managed:":                          {"", true},
		"authsome-proxy-managed:a b":                       {"a b", true},
		"x:authsome-proxy-managed:w\r\n":                   {"w\r\n", true},
		"authsome-proxy-managed-2:work":                    {"", true},
		"hf_authsome-proxy-managed:work":                   {"work", true},
		"authsome_proxy_managed":                           {"", true},
		"authsome_proxy_managed:work":                      {"work", true},
		"sbp_61757468736f6d652d70726f78792d6d616e6167:a/b": {"a/b", true},
		"authsome-proxy_managed":                           {"", false},
	}
	for value, want := range tests {
		selector, ok := inject.FindPlaceholder(value)
		if diff := cmp.Diff(want, found{selector, ok}); diff != "" {
			t.Errorf("%q: %s", value, diff)
		}
	}
}

// TestIsShape: a shape is a prefix that a vendor's key could have, and the
// placeholder in one of its spellings.
func TestIsShape(t *testing.T) {
	for shape, want := range map[string]bool{
		inject.Placeholder:                             true,
		"SG." + inject.Placeholder:                     true,
		"authsome_proxy_managed":                       true,
		"sbp_61757468736f6d652d70726f78792d6d616e6167": true,
		"": false, "sk-real": false, inject.Placeholder + "x": false, inject.Placeholder + ":work": false, "a b" + inject.Placeholder: false,
		"\u212a" + inject.Placeholder: false, strings.Repeat("x", 64) + inject.Placeholder: true, strings.Repeat("x", 65) + inject.Placeholder: false,
	} {
		if got := inject.IsShape(shape); got != want {
			t.Errorf("%q: %v", shape, got)
		}
	}
	for _, spelling := range inject.Spellings() {
		if !inject.IsShape(spelling) || !inject.HasPlaceholder("x "+spelling) {
			t.Errorf("%q is not recognised", spelling)
		}
	}
}

// TestShapesStripped: a shape is no credential either, wherever the plain
// placeholder is none.
func TestShapesStripped(t *testing.T) {
	for _, shape := range []string{"SG." + inject.Placeholder, "authsome_proxy_managed", "sbp_61757468736f6d652d70726f78792d6d616e6167"} {
		r := vector{}.request()
		r.Header = http.Header{
			"Authorization":          {"Bearer " + shape},
			"authorization":          {"Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+shape+":work"))},
			"Sec-Websocket-Protocol": {"chat, key." + shape},
		}
		if _, err := inject.ApplyAll(nil, r, credential.Credential{}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(http.Header{"Sec-Websocket-Protocol": {"chat"}}, r.Header); diff != "" {
			t.Error(shape, diff)
		}
	}
}

// TestApplyAllStrips is R037: the placeholder never reaches a server as if it
// were a credential, a real credential of the client's stays.
func TestApplyAllStrips(t *testing.T) {
	r := vector{}.request()
	r.Header = http.Header{
		"Authorization":          {"Bearer authsome-proxy-managed"},
		"authorization":          {"Basic eDphdXRoc29tZS1wcm94eS1tYW5hZ2VkOndvcms="}, // x:authsome-proxy-managed:work
		"AUTHORIZATION":          {"Bearer own"},
		"X-Other":                {"authsome-proxy-managed"},
		"Sec-Websocket-Protocol": {"token, authsome-proxy-managed", "chat"},
		"Sec_websocket_protocol": {"authsome-proxy-managed"},
	}
	if _, err := inject.ApplyAll(nil, r, credential.Credential{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	want := http.Header{"AUTHORIZATION": {"Bearer own"}, "X-Other": {"authsome-proxy-managed"}, "Sec-Websocket-Protocol": {"token,chat"}}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Fatal(diff)
	}
}

// TestApplyAll_W002: a handshake has the credential in one place, and nothing
// of the client's own in the others.
func TestApplyAll_W002(t *testing.T) {
	var all []inject.Injection
	for _, spec := range []inject.Spec{
		{Kind: "header", Name: "Authorization", Value: "Bearer {api_key}"},
		{Kind: "query", Name: "key", Value: "{api_key}"},
		{Kind: "subprotocol", Value: "key.{api_key}"},
		{Kind: "message", Name: "token", Value: "{api_key}"},
		{Kind: "message", Name: "key", Value: "{api_key}"},
	} {
		injection, err := inject.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, injection)
	}
	c := vector{Fields: map[string]string{"api_key": "k"}}.credential()
	for name, test := range map[string]struct {
		offered string
		query   string
		want    http.Header
	}{
		"subprotocol": {"chat, key." + inject.Placeholder, "a=1", http.Header{"Sec-Websocket-Key": {"x"}, "Sec-Websocket-Protocol": {"chat, key.k"}}},
		"others": {"chat, key.own", "a=1&key=k",
			http.Header{"Sec-Websocket-Key": {"x"}, "Sec-Websocket-Protocol": {"chat, key.own"}, "Authorization": {"Bearer k"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := vector{Query: "key=own&a=1"}.request()
			r.Header = http.Header{"Sec-Websocket-Key": {"x"}, "authorization": {"Bearer own"}, "Sec-Websocket-Protocol": {test.offered}}
			applied, err := inject.ApplyAll(all, r, c, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, r.Header); diff != "" {
				t.Error(diff)
			}
			if r.URL.RawQuery != test.query {
				t.Error(r.URL.RawQuery)
			}
			const said, want = `{"key":"authsome-proxy-managed","token":"authsome-proxy-managed"}`, `{"key":"k","token":"k"}`
			if got := string(applied.Message([]byte(said))); got != want {
				t.Error(got)
			}
		})
	}
}
