package lab_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"authsome/test/lab"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/websocket"
)

// curl runs the real curl through the parent proxy and returns its output.
func curl(t *testing.T, l *lab.Lab, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"--silent", "--show-error", "--max-time", "20", "--cacert", l.CA(), "--proxy", l.Proxy()}, args...)
	cmd := exec.Command("curl", args...)
	cmd.Env = l.Env(t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustCurl(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	out, err := curl(t, l, args...)
	if err != nil {
		t.Fatalf("curl %q: %v\n%s", args, err, out)
	}
	return out
}

func TestCurlHTTPS(t *testing.T) {
	l := lab.New(t)
	for _, version := range []string{"--http1.1", "--http2"} {
		l.Reset()
		out := mustCurl(t, l, version, "-H", "Authorization: Bearer one", "-H", "X-Twice: 1", "-H", "x-twice: 2",
			"-d", "hello", "https://api.openai.com/v1/models?limit=2")
		if !strings.Contains(out, `"lab-1"`) {
			t.Errorf("answer %s", out)
		}
		got := l.WaitFor(t, 5*time.Second, func(r lab.Record) bool { return r.Method == "POST" })
		proto := map[string]string{"--http1.1": "HTTP/1.1", "--http2": "HTTP/2.0"}[version]
		want := lab.Record{
			TLS: true, Via: "api.openai.com:443", SNI: "api.openai.com", Proto: proto, Method: "POST",
			Target: "/v1/models?limit=2", Host: "api.openai.com", Body: []byte("hello"), BodyLen: 5, Complete: true,
		}
		if twice := got.Values("X-TWICE"); !slices.Equal(twice, []string{"1", "2"}) {
			t.Errorf("X-Twice: %q", twice)
		}
		if got.Get("authorization") != "Bearer one" {
			t.Errorf("fields %v", got.Fields)
		}
		got.Time, got.Conn, got.Raw, got.Fields = time.Time{}, 0, nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		connects := l.Connects()
		if len(connects) != 1 || connects[0].Target != "api.openai.com:443" || connects[0].Status != 200 {
			t.Errorf("connects %+v", connects)
		}
	}
}

func TestCurlHTTP(t *testing.T) {
	l := lab.New(t)
	if out := mustCurl(t, l, "http://plain.example/status/418", "-w", "%{http_code}"); !strings.HasSuffix(out, "418") {
		t.Errorf("answer %s", out)
	}
	r := l.Requests()[0]
	if r.TLS || r.Target != "http://plain.example/status/418" || r.Host != "plain.example" || r.Via != "" {
		t.Errorf("%+v", r)
	}
}

// What the record says is what was sent, byte for byte, whether or not it is a
// request.
func TestRawRecords(t *testing.T) {
	tests := map[string]struct {
		sent string
		want lab.Record
	}{
		"order, case and duplicates": {
			"GET //v1/../x?a=b HTTP/1.1\r\nhost: a.test\r\nB: 2\r\nA:1\r\nb:  3 \r\n\r\n",
			lab.Record{
				Method: "GET", Target: "//v1/../x?a=b", Proto: "HTTP/1.1", Host: "a.test", Complete: true,
				Fields: []lab.Field{{"host", "a.test"}, {"B", "2"}, {"A", "1"}, {"b", "3"}},
			},
		},
		"chunks and trailers": {
			"POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: end\r\n\r\n",
			lab.Record{
				Method: "POST", Target: "/echo", Proto: "HTTP/1.1", Host: "a.test", Complete: true,
				Fields: []lab.Field{{"Host", "a.test"}, {"Transfer-Encoding", "chunked"}},
				Body:   []byte("abc0123456789"), BodyLen: 13, Trailers: []lab.Field{{"T", "end"}},
			},
		},
		"cut off in the head": {
			"GET / HTTP/1.1\r\nAuthorization: Bea",
			lab.Record{Method: "GET", Target: "/", Proto: "HTTP/1.1", Fields: []lab.Field{{"Authorization", "Bea"}}},
		},
		"cut off in the body": {
			"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc",
			lab.Record{
				Method: "POST", Target: "/", Proto: "HTTP/1.1", Host: "a.test",
				Fields: []lab.Field{{"Host", "a.test"}, {"Content-Length", "10"}}, Body: []byte("abc"), BodyLen: 3,
			},
		},
		"no request at all": {"\x16\x03\x01\r\n\r\n", lab.Record{Method: "\x16\x03\x01", Complete: true}},
		"two hosts": {
			"GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
			lab.Record{
				Method: "GET", Target: "/", Proto: "HTTP/1.1", Host: "a.test", Complete: true,
				Fields: []lab.Field{{"Host", "a.test"}, {"Host", "b.test"}},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := lab.New(t)
			send(t, l.HTTP(), tt.sent)
			requests := l.Requests()
			if len(requests) != 1 {
				t.Fatalf("%d records", len(requests))
			}
			got := requests[0]
			if head, _, _ := strings.Cut(tt.sent, "\r\n\r\n"); !strings.HasPrefix(string(got.Raw), head) {
				t.Errorf("raw %q", got.Raw)
			}
			got.Time, got.Conn, got.Raw = time.Time{}, 0, nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPipelined(t *testing.T) {
	l := lab.New(t)
	get := "GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n"
	answers := send(t, l.HTTP(), fmt.Sprintf(get+get+get, 1, 2, 3))
	for i := range 3 {
		if want := fmt.Sprintf("/%d", i+1); l.Requests()[i].Target != want || !strings.Contains(answers, `"`+want+`"`) {
			t.Errorf("%s: %v, %s", want, l.Requests()[i], answers)
		}
	}
}

// send writes bytes, says that this was all, and returns the answer.
func send(t *testing.T, addr, bytes string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, bytes); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestAnswers(t *testing.T) {
	l := lab.New(t)
	letters := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 100)
	tests := []struct {
		name, want string
		args       []string
	}{
		{"sse", "id: 0\ndata: {\"n\":0}\n\nid: 1\ndata: {\"n\":1}\n\ndata: [DONE]\n\n", []string{"/sse?n=2&every=1ms"}},
		{"stream", "id: 0\ndata: {\"n\":0}\n\nid: 1\ndata: {\"n\":1}\n\ndata: [DONE]\n\n",
			[]string{"/v1/responses?n=2&every=1ms", "-d", `{"stream":true}`}},
		{"trickle", letters[:5], []string{"/trickle?n=5&every=1ms"}},
		{"chunked", letters[:1234], []string{"/chunked?n=1234"}},
		{"gzip", letters[:1234], []string{"/gzip?n=1234", "--compressed"}},
		{"bytes", letters[:2000], []string{"/bytes?n=2000"}},
		{"bytes, 0", "", []string{"/bytes?n=0"}},
		{"echo", letters, []string{"/echo", "--data-binary", letters}},
		{"redirect", "302 https://b.test/x", []string{"/redirect?to=https://b.test/x", "-w", "%{http_code} %{redirect_url}"}},
		{"redirect code", "308", []string{"/redirect?to=/x&code=308", "-w", "%{http_code}"}},
		{"status", "{\"status\":503}\n503", []string{"/status/503", "-w", "%{http_code}"}},
		{"no content", "204", []string{"/status/204", "-w", "%{http_code}"}},
		{"slow", "{\"host\":\"a.test\",\"method\":\"GET\",\"path\":\"/slow\"}\n", []string{"/slow?wait=10ms"}},
		{"anything", "{\"host\":\"a.test\",\"method\":\"PUT\",\"path\":\"/a//b\"}\n", []string{"/a//b?q=1", "-X", "PUT"}},
		{"expect", "ok", []string{"/echo", "-H", "Expect: 100-continue", "-d", "ok"}},
	}
	for _, version := range []string{"--http1.1", "--http2"} {
		for _, tt := range tests {
			t.Run(version+" "+tt.name, func(t *testing.T) {
				args := append([]string{version, "https://a.test" + tt.args[0]}, tt.args[1:]...)
				if diff := cmp.Diff(tt.want, mustCurl(t, l, args...)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
	var headers struct{ Headers map[string][]string }
	out := mustCurl(t, l, "-H", "X-A: 1", "https://a.test/headers")
	if err := json.Unmarshal([]byte(out), &headers); err != nil || headers.Headers["X-A"][0] != "1" {
		t.Errorf("%v: %s", err, out)
	}
	if out := mustCurl(t, l, "--http1.1", "--include", "--raw", "https://a.test/trailers"); !strings.Contains(out, "0\r\nLab-Trailer: after the body") {
		t.Errorf("trailers: %q", out)
	}
}

// The first event is there long before the stream ends.
func TestStreaming(t *testing.T) {
	l := lab.New(t)
	res, err := client(t, l).Get("https://a.test/sse?n=2&every=1h")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || line != "id: 0\n" {
		t.Errorf("%q, error %v", line, err)
	}
}

func TestWebSocket(t *testing.T) {
	l := lab.New(t)
	conn, err := tls.Dial("tcp", l.HTTPS(), &tls.Config{RootCAs: roots(t, l), ServerName: "ws.test", NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := websocket.NewConfig("wss://ws.test/ws", "https://ws.test")
	if err != nil {
		t.Fatal(err)
	}
	ws, err := websocket.NewClient(config, conn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	var got string
	if err := errors.Join(websocket.Message.Send(ws, "ping"), websocket.Message.Receive(ws, &got)); err != nil || got != "ping" {
		t.Errorf("%q, error %v", got, err)
	}
}

func roots(t *testing.T, l *lab.Lab) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(l.CA())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the authority's file")
	}
	return pool
}

func client(t *testing.T, l *lab.Lab) *http.Client {
	t.Helper()
	proxy, err := url.Parse(l.Proxy())
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots(t, l)}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// Each bad certificate is refused by a strict client, for the reason it was
// made for, and no request is seen.
func TestBadCertificates(t *testing.T) {
	tests := map[string]struct {
		kind lab.Certificate
		want string
	}{
		"self-signed":     {lab.SelfSigned, "self-signed certificate"},
		"unknown CA":      {lab.UnknownCA, "unable to get local issuer certificate"},
		"expired":         {lab.Expired, "certificate has expired"},
		"not yet valid":   {lab.NotYetValid, "certificate is not yet valid"},
		"wrong host":      {lab.WrongHost, "no alternative certificate subject name matches"},
		"SHA-1":           {lab.SHA1, "CA signature digest algorithm too weak"},
		"RSA 1024":        {lab.RSA1024, "EE certificate key too weak"},
		"name constraint": {lab.NameConstraint, "permitted subtree violation"},
	}
	l := lab.New(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l.Certify("Bad.test", tt.kind)
			out, err := curl(t, l, "--ciphers", "DEFAULT@SECLEVEL=2", "https://bad.test/")
			if err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("error %v: %s", err, out)
			}
		})
	}
	// OpenSSL still takes a common name for a host, Go does not.
	l.Certify("bad.test", lab.CNOnly)
	if _, err := client(t, l).Get("https://bad.test/"); err == nil || !strings.Contains(err.Error(), "legacy Common Name") {
		t.Errorf("common name only: error %v", err)
	}
	l.Certify("bad.test", lab.Valid)
	l.CertifyAs("a.bad.test", "*.bad.test")
	mustCurl(t, l, "https://a.bad.test/")
	if n := len(l.Requests()); n != 1 {
		t.Errorf("%d requests came through", n)
	}
}

func TestTLSAdjusted(t *testing.T) {
	l := lab.New(t)
	l.TLS("old.test", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	if out, err := curl(t, l, "https://old.test/"); err == nil {
		t.Errorf("curl talks TLS 1.1: %s", out)
	}
	l.TLS("h1.test", func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
	mustCurl(t, l, "--http2", "https://h1.test/")
	if got := l.Requests()[0].Proto; got != "HTTP/1.1" {
		t.Error(got)
	}
}

func TestRoutes(t *testing.T) {
	l := lab.New(t)
	tests := map[string]struct {
		route lab.Route
		want  string
	}{
		"refuse": {lab.Refuse, "403"}, "hang": {lab.Hang, "timed out"}, "drop": {lab.Drop, "Proxy CONNECT aborted"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l.Route("Other.test", tt.route)
			out, err := curl(t, l, "--max-time", "1", "https://other.test/")
			if err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("error %v: %s", err, out)
			}
		})
	}
	if requests := l.Requests(); len(requests) != 0 || len(l.Connects()) != 3 {
		t.Errorf("requests %v, connects %+v", requests, l.Connects())
	}
	l.Route("other.test", lab.Forward)
	mustCurl(t, l, "https://other.test/")
}

func TestProxyAuth(t *testing.T) {
	l := lab.New(t)
	open := l.Proxy()
	l.RequireProxyAuth("user", "p@ss word")
	mustCurl(t, l, "https://a.test/")
	if out, err := curl(t, l, "--proxy", open, "https://a.test/"); err == nil || !strings.Contains(out, "407") {
		t.Errorf("error %v: %s", err, out)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:p@ss word"))
	if got := l.Connects(); got[0].Authorization != want || got[0].Status != 200 || got[1].Status != 407 {
		t.Errorf("%+v", got)
	}
}

func TestRequire(t *testing.T) {
	l := lab.New(t)
	l.Require("a.test", "s3cret")
	tests := map[string][]string{
		"401 ": {"https://a.test/"}, "200 header": {"https://a.test/", "-H", "X-Api-Key: s3cret"},
		"200 basic": {"https://a.test/", "-u", "s3cret:"}, "200 query": {"https://a.test/?key=s3cret"}, "200 other host": {"https://b.test/"},
	}
	for want, args := range tests {
		out := mustCurl(t, l, append(args, "-w", "%{http_code}", "-o", "/dev/null")...)
		if out != want[:3] {
			t.Errorf("%s: %s", want, out)
		}
	}
}

func TestHandle(t *testing.T) {
	l := lab.New(t)
	says := func(s string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
	}
	l.Handle("a.test/x", says("host and path"))
	l.Handle("/x", says("path"))
	l.Handle("a.test/", says("host"))
	for u, want := range map[string]string{
		"https://a.test/x?q": "host and path", "https://b.test/x": "path", "https://a.test//x": "host", "http://a.test/x": "host and path",
	} {
		if got := mustCurl(t, l, u); got != want {
			t.Errorf("%s: %s", u, got)
		}
	}
}

func TestEnv(t *testing.T) {
	t.Setenv("NO_PROXY", "api.openai.com")
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none")
	t.Setenv("OPENAI_API_KEY", "real")
	l := lab.New(t)
	names := map[string]string{}
	for _, entry := range l.Env("/the/home") {
		name, value, _ := strings.Cut(entry, "=")
		names[name] = value
	}
	if names["AUTHSOME_HOME"] != "/the/home" || names["PATH"] != os.Getenv("PATH") {
		t.Error(names)
	}
	for _, name := range []string{"NO_PROXY", "DBUS_SESSION_BUS_ADDRESS", "OPENAI_API_KEY"} {
		if _, ok := names[name]; ok {
			t.Errorf("%s is inherited", name)
		}
	}
	cmd := exec.Command("curl", "--silent", "--show-error", "https://api.openai.com/v1/models")
	cmd.Env = append(l.Env("/the/home"), "CURL_CA_BUNDLE="+l.CA())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "lab-1") {
		t.Errorf("error %v: %s", err, out)
	}
}

func TestCanary(t *testing.T) {
	l := lab.New(t)
	secret := l.CanaryAs("github", "ghp_%s")
	l.Canary("unused")
	core := strings.TrimPrefix(secret, "ghp_")
	leaks := map[string]string{
		"raw":        "x" + secret + "y",
		"upper case": strings.ToUpper(secret),
		"hex":        hex.EncodeToString([]byte(secret)),
		"base64":     base64.StdEncoding.EncodeToString([]byte(secret)),
		"utf-16":     strings.Join(strings.Split(secret, ""), "\x00"),
	}
	var percent strings.Builder
	for _, b := range []byte(secret) {
		fmt.Fprintf(&percent, "%%%02X", b)
	}
	leaks["percent"] = percent.String()
	for form, leak := range leaks {
		for shift := range 3 { // for base64: every alignment
			text := strings.Repeat("~", shift) + leak
			if form == "base64" {
				text = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("u", shift) + secret + ":"))
			}
			hits := l.FindBytes("here", []byte(text))
			if len(hits) == 0 || hits[0].Label != "github" || hits[0].Form != form || hits[0].Where != "here" {
				t.Errorf("%s, shift %d: %+v", form, shift, hits)
			}
		}
	}
	for _, half := range []string{core[:16], core[16:]} {
		if len(l.FindBytes("", []byte(half))) != 1 {
			t.Error("half of a canary is not found")
		}
	}
	if hits := l.FindBytes("", []byte("sk-CANARY-unused-"+core[1:16]+core[:15])); len(hits) != 0 {
		t.Errorf("found where it is not: %+v", hits)
	}
}

func TestSearch(t *testing.T) {
	l := lab.New(t)
	secret, dir := l.Canary("one"), t.TempDir()
	l.Search(t, dir)
	sub := filepath.Join(dir, "sub")
	for _, err := range []error{
		os.Mkdir(sub, 0o700), os.WriteFile(filepath.Join(sub, "file"), []byte("\x00"+secret), 0o600),
		os.Symlink("/none/"+secret, filepath.Join(dir, "link")), os.WriteFile(filepath.Join(dir, secret), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	hits, err := l.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	var where []string
	for _, hit := range hits {
		where = append(where, hit.Where)
	}
	slices.Sort(where)
	want := []string{filepath.Join(dir, "link"), filepath.Join(sub, "file"), "the name " + filepath.Join(dir, secret)}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(where)); diff != "" {
		t.Error(diff)
	}
	var spy failures
	l.Search(&spy, dir)
	l.SearchBytes(&spy, "stdout", []byte(secret))
	l.Search(&spy, filepath.Join(dir, "none"))
	if spy.n != len(hits)+3 {
		t.Errorf("%d failures for %d hits, two in bytes, and a directory that is not there", spy.n, len(hits))
	}
}

// failures counts what a test would have failed with.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Errorf(string, ...any) { f.n++ }
func (f *failures) Helper()               {}
