package broker_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/audit"
	"authsome/internal/broker"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
	"authsome/internal/vault"
)

// world is one home folder.
type world struct {
	t       testing.TB
	dir     string
	key     secret.Text
	network login.Network
	fetch   func(context.Context, broker.Source) (map[string]secret.Text, error)
	store   vault.Store // nil: the folder's
}

func newWorld(t testing.TB) *world {
	dir := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, dir: dir, key: secret.New(base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")))}
}

func (w *world) log() string { return filepath.Join(w.dir, "audit.log") }

// open returns a broker of its own, as another process would have one.
func (w *world) open() *broker.Broker {
	w.t.Helper()
	registry, warnings, err := provider.Load(filepath.Join(w.dir, "providers"))
	if err != nil || len(warnings) > 0 {
		w.t.Fatal(err, warnings)
	}
	options := vault.Options{Dir: filepath.Join(w.dir, "vault"), KeyFile: filepath.Join(w.dir, "vault.key"), MasterKey: w.key, Store: w.store}
	b, err := broker.New(broker.Config{
		Open:    func(ctx context.Context) (*vault.Vault, error) { return vault.Open(ctx, options) },
		Create:  func(ctx context.Context) (*vault.Vault, error) { return vault.OpenOrCreate(ctx, options) },
		Audit:   func() (*audit.Log, error) { return audit.Open(w.log()) },
		Catalog: registry,
		Network: w.network,
		Fetch:   w.fetch,
		Profile: "default",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { b.Close() })
	return b
}

// define registers a provider with one key header.
func (w *world) define(name string, hosts string, inject string) {
	w.t.Helper()
	definition := `{"name":"` + name + `","display_name":"` + name + `","auth_type":"api_key","flow":"api_key","host_url":` + hosts +
		`,"inject":[` + inject + `],"export":{"env":{"api_key":"` + strings.ToUpper(name) + `_KEY"}}}`
	if _, err := w.open().Register([]byte(definition), true); err != nil {
		w.t.Fatal(err)
	}
}

const bearer = `{"kind":"header","name":"Authorization","value":"Bearer {api_key}"}`

// answers is a human who always gives the same key.
type answers string

func (a answers) Secret(context.Context, login.Question) (secret.Text, error) {
	return secret.New(string(a)), nil
}

func (a answers) Text(context.Context, login.Question) (string, error) { return "", login.ErrCancelled }

func (a answers) Visit(context.Context, login.Visit) error { return login.ErrCancelled }

func (w *world) login(providerName, name, key string) {
	w.t.Helper()
	_, err := w.open().Login(w.t.Context(), broker.LoginRequest{Provider: providerName, Name: name, Force: true, UI: answers(key)})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) session(s broker.Selection) *broker.Session {
	w.t.Helper()
	session, err := w.open().Session(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return session
}

func get(target string, header ...string) *http.Request {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	r := &http.Request{Method: "GET", URL: u, Header: http.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	return r
}

// outcome is what a request looks like after Authorize.
type outcome struct {
	Header    http.Header
	Query     string
	Use       string // provider/connection, "" for an unchanged request
	Ambiguous []string
	Denied    broker.Code
}

func authorize(s *broker.Session, r *http.Request) outcome {
	use, err := s.Authorize(r)
	o := outcome{Header: r.Header, Query: r.URL.RawQuery, Ambiguous: use.Ambiguous}
	if use.Provider != "" {
		o.Use = use.Provider + "/" + use.Connection
	}
	var denied *broker.Denied
	if errors.As(err, &denied) {
		o.Denied, o.Header = denied.Code, nil
	}
	return o
}

func TestAuthorize(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.define("beta", `"beta.test.example"`, `{"kind":"header","name":"X-Api-Key","value":"{api_key}"}`)
	w.define("wild", `["*.test.example","https://paths.test.example/v1"]`, bearer)
	w.define("same1", `"same.example.org"`, bearer)
	w.define("same2", `"same.example.org"`, `{"kind":"header","name":"X-Other","value":"{api_key}"}`)
	w.define("named", `"named.example.org"`, bearer)
	w.define("quiet", `"quiet.example.org"`, bearer)
	w.login("alpha", "", "alpha-key")
	w.login("alpha", "work", "alpha-work-key")
	for _, name := range []string{"beta", "wild", "same1", "same2"} {
		w.login(name, "", name+"-key")
	}
	w.login("named", "one", "named-one-key")
	w.login("named", "two", "named-two-key")

	set := func(value string) http.Header { return http.Header{"Authorization": {value}} }
	rule, err := provider.ParseRule("https://alpha.test.example/own")
	if err != nil {
		t.Fatal(err)
	}
	anonymous := broker.Selection{Anonymous: []provider.Rule{rule}}
	tests := map[string]struct {
		selection broker.Selection
		request   *http.Request
		want      outcome
	}{
		"R001 no header of its own": {request: get("https://alpha.test.example/x"), want: outcome{Header: set("Bearer alpha-key"), Use: "alpha/default"}},
		"R035 the child's own credential goes": {
			request: get("https://alpha.test.example/x", "Authorization", "Bearer CHILD", "authorization", "Bearer CHILD2"),
			want:    outcome{Header: set("Bearer alpha-key"), Use: "alpha/default"}},
		"R032 exact before wildcard": {request: get("https://beta.test.example/"), want: outcome{Header: http.Header{"X-Api-Key": {"beta-key"}}, Use: "beta/default"}},
		"R037 placeholder in another place": {
			request: get("https://beta.test.example/", "Authorization", "Bearer authsome-proxy-managed"),
			want:    outcome{Header: http.Header{"X-Api-Key": {"beta-key"}}, Use: "beta/default"}},
		"wildcard":               {request: get("https://other.test.example/"), want: outcome{Header: set("Bearer wild-key"), Use: "wild/default"}},
		"unclaimed host":         {request: get("https://other.example.org/"), want: outcome{Header: http.Header{}}},
		"known, not connected":   {request: get("https://quiet.example.org/"), want: outcome{Header: http.Header{}}},
		"R014 another port":      {request: get("https://alpha.test.example:8443/"), want: outcome{Header: http.Header{}}},
		"R031 two with one host": {request: get("https://same.example.org/", "Authorization", "Bearer own"), want: outcome{Header: set("Bearer own"), Ambiguous: []string{"same1", "same2"}}},
		"R031 settled by --only": {
			selection: broker.Selection{Only: []string{"same2"}}, request: get("https://same.example.org/"),
			want: outcome{Header: http.Header{"X-Other": {"same2-key"}}, Use: "same2/default"}},
		"R031 settled by --connection": {
			selection: broker.Selection{Connections: map[string]string{"same1": "default"}}, request: get("https://same.example.org/"),
			want: outcome{Header: set("Bearer same1-key"), Use: "same1/default"}},
		"R031 settled by the placeholder's place": {
			request: get("https://same.example.org/", "X-Other", "authsome-proxy-managed"),
			want:    outcome{Header: http.Header{"X-Other": {"same2-key"}}, Use: "same2/default"}},
		"R031 settled by name": {
			request: get("https://same.example.org/", "Authorization", "Bearer authsome-proxy-managed:same1/default"),
			want:    outcome{Header: set("Bearer same1-key"), Use: "same1/default"}},
		"R053 --only leaves others alone": {selection: broker.Selection{Only: []string{"alpha"}}, request: get("https://beta.test.example/"), want: outcome{Header: http.Header{}}},
		"placeholder names a connection": {
			request: get("https://alpha.test.example/", "Authorization", "Bearer authsome-proxy-managed:work"),
			want:    outcome{Header: set("Bearer alpha-work-key"), Use: "alpha/work"}},
		"header names a connection": {
			request: get("https://alpha.test.example/", "Authsome-Connection", "alpha/work"),
			want:    outcome{Header: set("Bearer alpha-work-key"), Use: "alpha/work"}},
		"header is removed from unchanged requests": {request: get("https://other.example.org/", "authsome_connection", "x"), want: outcome{Header: http.Header{}}},
		"--connection": {
			selection: broker.Selection{Connections: map[string]string{"alpha": "work"}}, request: get("https://alpha.test.example/"),
			want: outcome{Header: set("Bearer alpha-work-key"), Use: "alpha/work"}},
		"a connection that is not there": {
			request: get("https://alpha.test.example/", "Authorization", "Bearer authsome-proxy-managed:nope"), want: outcome{Denied: broker.CodeNoConnection}},
		"odd bytes behind a name": {
			request: get("https://alpha.test.example/", "Authorization", "Bearer authsome-proxy-managed:work,nope"), want: outcome{Denied: broker.CodeNoConnection}},
		"two names": {
			request: get("https://alpha.test.example/", "Authsome-Connection", "work", "Authsome-Connection", "-"), want: outcome{Denied: broker.CodeNoConnection}},
		"a name under another spelling": {
			request: get("https://alpha.test.example/", "authsome_connection", "nope"), want: outcome{Denied: broker.CodeNoConnection}},
		"two placeholders": {
			request: get("https://alpha.test.example/", "Authorization", "Bearer authsome-proxy-managed:work", "authorization", "Bearer authsome-proxy-managed:default"),
			want:    outcome{Denied: broker.CodeNoConnection}},
		"no credential wanted": {
			request: get("https://alpha.test.example/", "Authsome-Connection", "-"), want: outcome{Header: http.Header{}}},
		"another provider's name": {
			request: get("https://alpha.test.example/", "Authsome-Connection", "beta/default"), want: outcome{Denied: broker.CodeNoConnection}},
		"R052 several and no default": {request: get("https://named.example.org/"), want: outcome{Denied: broker.CodeNoDefault}},
		"R052 named":                  {request: get("https://named.example.org/", "Authsome-Connection", "two"), want: outcome{Header: set("Bearer named-two-key"), Use: "named/two"}},
		"--inject placeholder, none sent": {
			selection: broker.Selection{Placeholder: true}, request: get("https://alpha.test.example/", "Authorization", "Bearer own"), want: outcome{Header: set("Bearer own")}},
		"--inject placeholder, sent": {
			selection: broker.Selection{Placeholder: true}, request: get("https://alpha.test.example/", "Authorization", "Bearer authsome-proxy-managed"),
			want: outcome{Header: set("Bearer alpha-key"), Use: "alpha/default"}},
		"where clients are anonymous, none sent": {
			selection: anonymous, request: get("https://alpha.test.example/own/list", "Authorization", "Bearer own"), want: outcome{Header: set("Bearer own")}},
		"where clients are anonymous, sent": {
			selection: anonymous, request: get("https://alpha.test.example/own/list", "Authorization", "Bearer authsome-proxy-managed"),
			want: outcome{Header: set("Bearer alpha-key"), Use: "alpha/default"}},
		"where clients are anonymous, elsewhere": {
			selection: anonymous, request: get("https://alpha.test.example/owner"), want: outcome{Header: set("Bearer alpha-key"), Use: "alpha/default"}},
		"path rule":                     {request: get("https://paths.test.example/v1/x"), want: outcome{Header: set("Bearer wild-key"), Use: "wild/default"}},
		"R033 path that can be misread": {request: get("https://paths.test.example/v1/%2e%2e/admin"), want: outcome{Denied: broker.CodePath}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := authorize(w.session(test.selection), test.request)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// TestSessionFollows is R050: what happens elsewhere counts within a second.
func TestSessionFollows(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.define("late", `"late.test.example"`, bearer)
	session := w.session(broker.Selection{})
	if session.Claims("alpha.test.example", 443) {
		t.Fatal("claimed without a connection")
	}
	w.login("alpha", "", "first")
	within(t, func() bool { return session.Claims("alpha.test.example", 443) })
	want := func(value string) func() bool {
		return func() bool {
			return authorize(session, get("https://alpha.test.example/")).Header.Get("Authorization") == value
		}
	}
	within(t, want("Bearer first"))
	w.login("alpha", "", "second")
	within(t, want("Bearer second"))
	w.login("alpha", "work", "third")
	if err := w.open().SetDefault(t.Context(), "alpha", "work"); err != nil {
		t.Fatal(err)
	}
	within(t, want("Bearer third"))
	for _, name := range []string{"work", "default"} {
		if _, err := w.open().Logout(t.Context(), "alpha", name); err != nil {
			t.Fatal(err)
		}
	}
	within(t, func() bool {
		return authorize(session, get("https://alpha.test.example/")).Denied == broker.CodeNotConnected
	})
	if !session.Claims("alpha.test.example", 443) {
		t.Fatal("a logged-out provider's host is let through as if nothing had happened")
	}
}

// within waits up to the second that is promised.
func within(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a second")
		}
	}
}

// TestVaultLostDuringRun is R051: a vault that can't be read any more means
// that nothing leaves, not that everything does.
func TestVaultLostDuringRun(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "", "CANARY-alpha")
	session := w.session(broker.Selection{})
	files, err := filepath.Glob(filepath.Join(w.dir, "vault", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			if err := os.WriteFile(f, []byte("rubbish"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.touch()
	within(t, func() bool {
		return authorize(session, get("https://alpha.test.example/")).Denied == broker.CodeVault
	})
}

// touch makes the vault's version change.
func (w *world) touch() {
	w.t.Helper()
	f, err := os.Create(filepath.Join(w.dir, "vault", "stray"))
	if err != nil {
		w.t.Fatal(err)
	}
	f.Close()
	os.Remove(f.Name())
}

// TestDefinitionChanged is D002: an edited definition can't aim a stored
// credential at another host.
func TestDefinitionChanged(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "", "CANARY-alpha")
	w.define("alpha", `["alpha.test.example","evil.example.net"]`, bearer)
	session := w.session(broker.Selection{})
	if got := authorize(session, get("https://evil.example.net/")); got.Denied != broker.CodeChanged {
		t.Fatalf("D002: got %+v", got)
	}
	if got := authorize(session, get("https://alpha.test.example/")); got.Use != "alpha/default" {
		t.Fatalf("D002: the host it was logged in for: got %+v", got)
	}
}

// TestNoLineNoUse is I9: when the audit log can't be written the credential is
// not used.
func TestNoLineNoUse(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "", "CANARY-alpha")
	if err := os.Remove(w.log()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.log(), 0o700); err != nil {
		t.Fatal(err)
	}
	session := w.session(broker.Selection{})
	if got := authorize(session, get("https://alpha.test.example/")); got.Denied != broker.CodeAudit {
		t.Fatalf("I9: got %+v", got)
	}
	b := w.open()
	if _, err := b.Export(t.Context(), "alpha", ""); !errors.Is(err, broker.ErrAudit) {
		t.Fatalf("I9 export: got %v", err)
	}
	if _, err := b.Logout(t.Context(), "alpha", ""); !errors.Is(err, broker.ErrAudit) {
		t.Fatalf("I9 logout: got %v", err)
	}
	if err := b.SetDefault(t.Context(), "alpha", "default"); !errors.Is(err, broker.ErrAudit) {
		t.Fatalf("I9 default: got %v", err)
	}
	if _, err := b.Register([]byte(`{"name":"x","display_name":"x","auth_type":"api_key","flow":"api_key","host_url":"x.example.org"}`), false); !errors.Is(err, broker.ErrAudit) {
		t.Fatalf("I9 register: got %v", err)
	}
}

// TestAuditLines: a use and its answer, a refusal, an ambiguous request; never
// a secret or a query.
func TestAuditLines(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "", "CANARY-alpha")
	session := w.session(broker.Selection{})
	use, err := session.Authorize(get("https://alpha.test.example/v1/models?key=CANARY-query"))
	if err != nil {
		t.Fatal(err)
	}
	use.Done(200, nil)
	_, err = session.Authorize(get("https://alpha.test.example/", "Authsome-Connection", "nope"))
	if err == nil {
		t.Fatal("not refused")
	}
	entries, _, err := audit.Tail(w.log(), 10, audit.Filter{Host: "alpha.test.example"})
	if err != nil {
		t.Fatal(err)
	}
	type line struct{ Event, Provider, Connection, Method, Path, Decision, Reason string }
	var got []line
	for _, e := range entries {
		got = append(got, line{e.Event, e.Provider, e.Connection, e.Method, e.Path, e.Decision, e.Reason})
	}
	want := []line{
		{"use", "alpha", "default", "GET", "/v1/models", "allow", ""},
		{"answer", "alpha", "default", "GET", "/v1/models", "allow", ""},
		{"refuse", "alpha", "nope", "GET", "/", "deny", "no_such_connection"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if entries[1].Status != 200 || entries[1].ID != entries[0].ID {
		t.Fatalf("the answer does not belong to the use: %+v", entries[1])
	}
	raw, err := os.ReadFile(w.log())
	if err != nil || strings.Contains(string(raw), "CANARY") {
		t.Fatalf("the log holds a canary (%v)", err)
	}
}

func TestSelectionRefused(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "", "k")
	for name, s := range map[string]broker.Selection{
		"unknown provider in only":       {Only: []string{"nope"}},
		"unknown provider in connection": {Connections: map[string]string{"nope": "x"}},
		"unknown connection":             {Connections: map[string]string{"alpha": "nope"}},
		"bad name":                       {Connections: map[string]string{"alpha": "a/b"}},
	} {
		if _, err := w.open().Session(t.Context(), s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDefaults(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	b := w.open()
	def := func() string {
		all, err := b.Connections(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		name, err := b.Default(t.Context(), "alpha", all)
		if err != nil {
			return err.Error()
		}
		return name
	}
	steps := []struct {
		do   func()
		want string
	}{
		{func() {}, "alpha is not connected"},
		{func() { w.login("alpha", "one", "k") }, "one"},
		{func() { w.login("alpha", "two", "k") }, "alpha has the connections one, two and none is the default"},
		{func() { w.login("alpha", "", "k") }, "default"},
		{func() { _ = b.SetDefault(t.Context(), "alpha", "two") }, "two"},
		{func() { _, _ = b.Logout(t.Context(), "alpha", "") }, "default"},
		{func() { _, _ = b.Logout(t.Context(), "alpha", "") }, "one"},
	}
	for i, step := range steps {
		step.do()
		if got := def(); got != step.want {
			t.Fatalf("step %d: got %q, want %q", i, got, step.want)
		}
	}
}

func TestExport(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.define("beta", `"beta.test.example"`, bearer)
	w.login("alpha", "work", "aw")
	w.login("alpha", "default", "ad")
	w.login("alpha", "wo-rk", "aw2")
	w.login("alpha", "wo.rk", "aw3")
	w.login("beta", "", "b")
	type row struct {
		Name, Value, Connection string
		Clash                   bool
	}
	export := func(providerName, name string) []row {
		variables, err := w.open().Export(t.Context(), providerName, name)
		if err != nil {
			t.Fatal(err)
		}
		var rows []row
		for _, v := range variables {
			rows = append(rows, row{v.Name, v.Value.Reveal(), v.Provider + "/" + v.Connection, v.Clash})
		}
		return rows
	}
	if diff := cmp.Diff([]row{{"ALPHA_KEY", "ad", "alpha/default", false}}, export("alpha", "")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]row{{"ALPHA_KEY", "aw", "alpha/work", false}}, export("alpha", "work")); diff != "" {
		t.Error(diff)
	}
	want := []row{
		{"ALPHA_KEY", "ad", "alpha/default", false}, {"BETA_KEY", "b", "beta/default", false},
		{"ALPHA_KEY_WO_RK", "aw2", "alpha/wo-rk", true}, {"ALPHA_KEY_WO_RK_2", "aw3", "alpha/wo.rk", true},
		{"ALPHA_KEY_WORK", "aw", "alpha/work", true},
	}
	if diff := cmp.Diff(want, export("", "")); diff != "" {
		t.Errorf("E005: %s", diff)
	}
}

// TestCheckName is C002.
func TestCheckName(t *testing.T) {
	for _, good := range []string{"default", "work", "a@b.example", "A_b-c+1", strings.Repeat("x", 64)} {
		if err := broker.CheckName(good); err != nil {
			t.Errorf("C002 %q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "a:b", "a/b", "%", "_", "*", " ", "a b", "ü", "-x", ".x", "a\n", "a\x00", strings.Repeat("x", 65), "../x"} {
		if err := broker.CheckName(bad); !errors.Is(err, broker.ErrName) {
			t.Errorf("C002 %q: got %v", bad, err)
		}
	}
}

func TestLoginKeepsWhatIsThere(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "", "good")
	b := w.open()
	result, err := b.Login(t.Context(), broker.LoginRequest{Provider: "alpha", UI: answers("other")})
	if err != nil || !result.Already {
		t.Fatalf("got %+v, %v", result, err)
	}
	for _, bad := range []string{"CANARY\n", "", " CANARY", strings.Repeat("x", 20<<10)} {
		_, err := b.Login(t.Context(), broker.LoginRequest{Provider: "alpha", Force: true, UI: answers(bad)})
		if err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Fatalf("R064 %.10q: got %v", bad, err)
		}
	}
	c, err := b.Connection(t.Context(), "alpha", "")
	if err != nil || c.Credential.Field("api_key").Reveal() != "good" {
		t.Fatalf("O028: the old credential is gone: %v", err)
	}
}

// damage overwrites the record of one connection and nothing else.
func (w *world) damage(providerName, name string) {
	w.t.Helper()
	before := w.records()
	w.login(providerName, name, "another key")
	for path, data := range w.records() {
		if string(data) != string(before[path]) {
			if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func (w *world) records() map[string][]byte {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "vault", "????????????????????????????????*"))
	if err != nil || len(files) == 0 {
		w.t.Fatal("no records", err)
	}
	records := map[string][]byte{}
	for _, f := range files {
		if records[f], err = os.ReadFile(f); err != nil {
			w.t.Fatal(err)
		}
	}
	return records
}

// TestDamagedRecord: a lost record can be forgotten or replaced, and does not
// take the others along.
func TestDamagedRecord(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	for _, name := range []string{"lost", "good"} {
		w.login("alpha", name, "key")
	}
	w.damage("alpha", "lost")
	b := w.open()
	all, err := b.Connections(t.Context())
	if !errors.Is(err, vault.ErrDamaged) || len(all) != 1 || all[0].Name != "good" {
		t.Fatalf("got %v, %v", all, err)
	}
	if _, err := b.Connection(t.Context(), "alpha", "lost"); !errors.Is(err, vault.ErrDamaged) {
		t.Fatalf("got %v", err)
	}
	if _, err := b.Logout(t.Context(), "alpha", "lost"); err != nil {
		t.Fatalf("forget: %v", err)
	}
	w.login("alpha", "lost", "key")
	w.damage("alpha", "lost")
	if _, err := b.Login(t.Context(), broker.LoginRequest{Provider: "alpha", Name: "lost", UI: answers("new")}); err != nil {
		t.Fatalf("replace: %v", err)
	}
	if c, err := b.Connection(t.Context(), "alpha", "lost"); err != nil || c.Credential.Field("api_key").Reveal() != "new" {
		t.Fatalf("replaced: %v", err)
	}
	w.damage("alpha", "lost")
	gone, err := b.Revoke(t.Context(), "alpha")
	if !errors.Is(err, vault.ErrDamaged) || len(gone) != 1 || gone[0].Name != "good" {
		t.Fatalf("revoke: %v, %v", gone, err)
	}
}
