package cli

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/audit"
	"authsome/internal/broker"
	"authsome/internal/inject"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/proxy"
	"authsome/internal/secret"
	"authsome/internal/vault"
)

// explainHome is a broker with connections of every sort that a decision can
// come upon.
func explainHome(t *testing.T) (*broker.Broker, *provider.Registry) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	registry, _, err := provider.Load(filepath.Join(dir, "providers"))
	if err != nil {
		t.Fatal(err)
	}
	options := vault.Options{Dir: filepath.Join(dir, "vault"), KeyFile: filepath.Join(dir, "vault.key"), MasterKey: secret.New(base64.StdEncoding.EncodeToString(make([]byte, 32)))}
	b, err := broker.New(broker.Config{
		Open:    func(ctx context.Context) (*vault.Vault, error) { return vault.Open(ctx, options) },
		Create:  func(ctx context.Context) (*vault.Vault, error) { return vault.OpenOrCreate(ctx, options) },
		Audit:   func() (*audit.Log, error) { return audit.Open(filepath.Join(dir, "audit.log")) },
		Catalog: registry, Profile: "default",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	define := func(name, hosts, more string) {
		t.Helper()
		text := fmt.Sprintf(`{"name":%q,"display_name":"X","auth_type":"api_key","flow":"api_key","host_url":%s%s}`, name, hosts, more)
		if _, err := b.Register([]byte(text), true); err != nil {
			t.Fatal(err)
		}
	}
	connect := func(name, connection string) {
		t.Helper()
		if _, err := b.Login(t.Context(), broker.LoginRequest{Provider: name, Name: connection, UI: oneKey{}}); err != nil {
			t.Fatal(err)
		}
	}
	define("alpha", `["a.test.example","https://shared.test.example/v1"]`, `,"deny":[{"methods":"POST","path":"/v1/keys","reason":"it answers with a key"}]`)
	define("beta", `"*.test.example"`, `,"inject":[{"kind":"header","name":"X-Key","value":"{api_key}"}]`)
	define("gamma", `"a.test.example"`, `,"inject":[{"kind":"basic","username":"u","password":"{api_key}"}]`)
	define("moved", `"old.test.example"`, ``)
	define("quiet", `"quiet.test.example"`, `,"inject_mode":"placeholder"`)
	for _, pair := range []string{"alpha default", "alpha work", "beta default", "gamma default", "moved default", "quiet one", "quiet two"} {
		name, connection, _ := strings.Cut(pair, " ")
		connect(name, connection)
	}
	define("moved", `["old.test.example","new.test.example"]`, ``)
	if err := b.SetPolicy(t.Context(), "alpha", "work", mustPolicy(t, `{"rules":[{"decision":"allow","methods":["GET","HEAD"]}],"otherwise":"deny"}`)); err != nil {
		t.Fatal(err)
	}
	return b, registry
}

// oneKey is a human who has one key for everything.
type oneKey struct{}

func (oneKey) Secret(context.Context, login.Question) (secret.Text, error) {
	return secret.New("one-key-for-everything"), nil
}
func (oneKey) Text(context.Context, login.Question) (string, error) { return "", login.ErrCancelled }
func (oneKey) Visit(context.Context, login.Visit) error             { return login.ErrCancelled }

func mustPolicy(t *testing.T, text string) *provider.Policy {
	t.Helper()
	p, err := provider.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestExplainAgrees: for 10,000 random requests, what explain tells is what the
// proxy does. The proxy is the run's own, and each request goes over its port;
// in place of an upstream stands an answer that tells what was authorized.
func TestExplainAgrees(t *testing.T) {
	b, registry := explainHome(t)
	devnull, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer devnull.Close()
	a := &app{sys: System{Stderr: devnull}, log: slog.New(slog.DiscardHandler)}
	plain := runOptions{mode: "allow", inject: "host"}
	with := func(change func(*runOptions)) runOptions { o := plain; change(&o); return o }
	runs := []runOptions{
		plain,
		with(func(o *runOptions) { o.connections = []string{"alpha=work", "quiet=one"} }),
		with(func(o *runOptions) { o.only, o.allowDenied = []string{"alpha"}, []string{"alpha"} }),
		with(func(o *runOptions) { o.inject = "placeholder" }),
		with(func(o *runOptions) { o.mode, o.allowHosts = "deny", []string{"ok.example"} }),
		with(func(o *runOptions) {
			o.policy = mustPolicy(t, `{"rules":[{"decision":"deny","methods":"DELETE","path":"/v1/*"},{"decision":"allow","host":["a.test.example","quiet.test.example"],"path":"/v1/*"},
				{"decision":"allow","methods":"GET"},{"decision":"allow","host":"ok.example"}],"otherwise":"deny"}`)
		}),
	}
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[string]int{}
	for i, o := range runs {
		session, err := b.Session(t.Context(), o.selection())
		if err != nil {
			t.Fatal(err)
		}
		port := startObserved(t, &stage{app: a, session: session, options: o, warned: map[string]bool{}})
		q := question{session, registry, o}
		for range 10_000/len(runs) + 1 {
			method, url, fields := randomRequest(random)
			e, err := q.explain(t.Context(), method, url, fields)
			if err != nil {
				t.Fatalf("%s %s: %v", method, url, err)
			}
			want, got := e.outcome(), port.ask(t, method, url, fields)
			if want != got && strings.HasSuffix(got, " bad_request") && strings.HasPrefix(url, "https:") {
				// Nobody reads the request inside of a tunnel.
				got = port.ask(t, http.MethodConnect, connectTarget(url), nil)
			}
			if strings.HasPrefix(url, "http:") && strings.HasPrefix(want, "4") && (got == "passed" || strings.HasPrefix(got, "4")) {
				continue // in cleartext the proxy checks some of a request before Admit, where the observer stands, and some after
			}
			if want != got {
				t.Fatalf("run %d: %s %s %q:\nexplained %s\nproxy     %s", i, method, url, fields, want, got)
			}
			word, _, _ := strings.Cut(want, " /")
			seen[word]++
		}
	}
	t.Log(seen)
	for _, outcome := range []string{
		"inject alpha/default", "inject alpha/work", "inject beta/default", "inject gamma/default", "inject quiet/two", "inject moved/default",
		"unchanged", "passed", "403 policy_denied", "403 endpoint_denied", "403 no_such_connection", "403 denied_by_mode", "400 path_ambiguous",
		"400 bad_request", "405 bad_request", "502 no_default_connection", "502 definition_changed",
	} {
		if seen[outcome] < 10 {
			t.Errorf("%s came up %d times", outcome, seen[outcome])
		}
	}
}

// outcome is the answer in a line, as observed.ask has it.
func (e *explained) outcome() string {
	switch e.Decision {
	case decisionInject:
		return "inject " + e.Provider + "/" + e.Connection
	case decisionTunnel, decisionCleartext:
		return "passed"
	case decisionRefuse:
		return fmt.Sprintf("%d %s", e.Status, e.Code)
	}
	return e.Decision
}

// observed is the port of a proxy without upstreams.
type observed struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

// startObserved serves with the stage's own functions, and answers with what
// they came to.
func startObserved(t *testing.T, s *stage) *observed {
	t.Helper()
	observe := func(code string) error {
		return &proxy.Refusal{Status: http.StatusTeapot, Code: code}
	}
	p := &proxy.Proxy{
		Claims: s.claims,
		Authorize: func(ctx context.Context, r *http.Request) (proxy.Grant, error) {
			grant, err := s.authorize(ctx, r)
			if err != nil {
				return grant, err
			}
			if grant.Done != nil {
				grant.Done(http.StatusTeapot, nil)
			}
			owner, _, _ := strings.Cut(grant.Pool, "/")
			if owner == "" {
				return grant, observe("unchanged")
			}
			if !strings.Contains(fmt.Sprint(r.Header), "one-key") && !strings.Contains(fmt.Sprint(r.Header), base64.StdEncoding.EncodeToString([]byte("u:one-key-for-everything"))) {
				t.Errorf("no credential on %v", r)
			}
			parts := strings.SplitN(grant.Pool, "/", 3)
			return grant, observe("inject " + parts[0] + "/" + parts[1])
		},
		Admit: func(host string, port uint16, scheme string) error {
			if err := s.options.admit(host, port, scheme); err != nil {
				return err
			}
			return observe("passed")
		},
		Peer: func(net.Conn) error { return nil },
	}
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := p.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- p.Serve(ctx, listener) }()
	o := &observed{address: listener.Addr().String()}
	t.Cleanup(func() {
		if o.conn != nil {
			_ = o.conn.Close()
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return o
}

// ask sends one request in absolute form and returns what became of it.
func (o *observed) ask(t *testing.T, method, url string, fields []string) string {
	t.Helper()
	if o.conn == nil {
		conn, err := net.Dial("tcp", o.address)
		if err != nil {
			t.Fatal(err)
		}
		o.conn, o.reader = conn, bufio.NewReader(conn)
		_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	}
	_, host, _ := strings.Cut(url, "://")
	host = host[:max(strings.IndexAny(host+"/", "/?"), 0)]
	if method == http.MethodConnect {
		host = url
	}
	head := method + " " + url + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(slices.Clone(fields), "", ""), "\r\n")
	if _, err := io.WriteString(o.conn, head); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(o.reader, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.Close {
		_ = o.conn.Close()
		o.conn = nil
	}
	code := resp.Header.Get("Authsome-Error")
	if resp.StatusCode == http.StatusTeapot {
		return code
	}
	if code == "" { // heads that the bare port does not understand are answered without a word
		code = "bad_request"
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, code)
}

func connectTarget(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	end := strings.IndexAny(rest+"/", "/?")
	if rest = rest[:end]; !strings.Contains(rest, ":") {
		rest += ":443"
	}
	return rest
}

// randomRequest makes a request of pieces that decisions depend on.
func randomRequest(random *rand.Rand) (method, url string, fields []string) {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	method = pick("GET", "GET", "GET", "POST", "DELETE", "HEAD", "PROPFIND", "TRACE", "get")
	host := pick("a.test.example", "a.test.example", "A.Test.Example.", "shared.test.example", "shared.test.example", "other.test.example", "quiet.test.example", "quiet.test.example",
		"new.test.example", "old.test.example", "test.example", "ok.example", "a.test.example.evil.example", "a_b.test.example", "127.0.0.1", "127.1", "a.test.example:8443", "a.test.example:443")
	url = pick("https", "https", "https", "https", "https", "http") + "://" + host
	for range random.IntN(5) {
		url += "/" + pick("v1", "v1", "v1", "keys", "keys", "V1", "v2", "..", ".", "%2e%2e", "a%2Fb", "a;b", "", "%5c", "x.json", "%76%31", "%zz")
	}
	if random.IntN(20) == 0 {
		method, url = "POST", "https://shared.test.example/v1/"+pick("keys", "KEYS/", "keys.json")
	}
	url += pick("", "", "", "?a=1", "?_method=DELETE", "?x;_meth%6Fd=post")
	for range random.IntN(3) {
		fields = append(fields, pick("Accept: */*", "X-Key: "+inject.Placeholder, "Authorization: Bearer "+inject.Placeholder, "Authorization: Bearer "+inject.Placeholder+":work",
			"Authorization: Bearer own", "Authorization: token "+inject.Placeholder+":beta/default", "X-Key: "+inject.Placeholder+":one", "Authsome-Connection: work", "Authsome_Connection: quiet/two", "Authsome-Connection: -",
			"Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("u:"+inject.Placeholder)), "X-HTTP-Method-Override: DELETE", "Authsome-Connection: nobody"))
	}
	return method, url, fields
}

// TestExplainText: the answer for humans has a line for each thing known.
func TestExplainText(t *testing.T) {
	e := &explained{
		Method: "DELETE", URL: "https://a.example/x\x1b[2J", Decision: decisionRefuse, Provider: "alpha", Connection: "work", Chosen: broker.ChosenByRun, Rule: "a.example",
		Inject: []inject.Spec{{Kind: "basic", Username: "u", Password: "{api_key}"}, {Kind: "query", Name: "key", Value: "{api_key}"}}, Refresh: true,
		Policy: []ruling{{"run", false, 2, "no"}, {"connection", true, 0, ""}}, Reason: "because", Status: 403, Code: "policy_denied", Hint: "do",
	}
	var text strings.Builder
	e.text(&text)
	want := `request     DELETE https://a.example/x\x1b[2J
decision    refused: 403 policy_denied
reason      because
hint        do
provider    alpha
connection  work (of this run)
rule        a.example
injection   basic u:{api_key}
injection   query key: {api_key}
refresh     the credential is refreshed first
policy      the run's denies it: rule 2, no
policy      the connection's allows it: no rule fits
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Error(diff)
	}
}
