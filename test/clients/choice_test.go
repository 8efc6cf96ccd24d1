//go:build linux

package clients_test

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"authsome/test/lab"
)

// R031: two providers claim a host equally. The request goes unchanged, one
// warning names both and the way out, and each way out works.
func TestChoice_R031_ambiguous(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := map[string]string{"alpha": w.Canary("alpha"), "beta": w.Canary("beta")}
	for _, name := range []string{"alpha", "beta"} {
		w.define(t, name, "api.shared.example")
		w.login(t, name, keys[name])
	}
	const url = "https://api.shared.example/"
	own := "Authorization: Bearer the-client's-own"
	r := w.ok(t, "run", "--", "curl", "-sS", "-H", own, url+"one", url+"two")
	for _, got := range w.requests("api.shared.example") {
		equal(t, "Authorization", got.Get("Authorization"), "Bearer the-client's-own")
		w.bare(t, got)
	}
	equal(t, "requests", len(w.requests("api.shared.example")), 2)
	equal(t, "lines of warning", strings.Count(strings.TrimSpace(r.stderr), "\n"), 0)
	contains(t, "warning", r.stderr, "alpha", "beta", "--only", "--connection", placeholder+":")
	for _, c := range []struct {
		name    string
		flags   []string
		field   string
		injects string
	}{
		{"only", []string{"--only", "alpha"}, own, "alpha"},
		{"connection", []string{"--connection", "beta=default"}, own, "beta"},
		{"placeholder", nil, "Authorization: Bearer " + placeholder + ":beta/default", "beta"},
		{"header", nil, "Authsome-Connection: alpha/default", "alpha"},
	} {
		before := len(w.requests("api.shared.example"))
		args := append(append([]string{"run"}, c.flags...), "--", "curl", "-sS", "-H", c.field, url+c.name)
		r := w.ok(t, args...)
		got := w.requests("api.shared.example")[before:]
		if len(got) != 1 {
			t.Fatalf("%s: %v: %s", c.name, got, r)
		}
		equal(t, c.name+": Authorization", strings.Join(got[0].Values("Authorization"), ", "), "Bearer "+keys[c.injects])
		equal(t, c.name+": Authsome-Connection", got[0].Get("Authsome-Connection"), "")
	}
}

// T029: a run in a run. The inner one's credential arrives, once.
func TestChoice_T029_nested(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	outer, inner := w.Canary("outer"), w.Canary("inner")
	w.login(t, "openai", outer)
	w.login(t, "openai", inner, "--connection", "inner")
	r := w.ok(t, "run", "--", w.bin, "run", "--connection", "openai=inner", "--", "curl", "-sS", "--fail-with-body", models)
	contains(t, "answer", r.stdout, "lab-1")
	got := w.requests(victim)
	if len(got) != 1 {
		t.Fatalf("%v: %s", got, r)
	}
	equal(t, "Authorization", strings.Join(got[0].Values("Authorization"), ", "), "Bearer "+inner)
	equal(t, "Authsome-Connection", len(got[0].Values("Authsome-Connection")), 0)
	// Three deep, and what only the outermost has is still injected there.
	w.define(t, "acme", "api.acme.example")
	acme := w.Canary("acme")
	w.login(t, "acme", acme)
	w.Reset()
	w.ok(t, "run", "--", w.bin, "run", "--only", "openai", "--connection", "openai=inner", "--", w.bin, "run", "--only", "github", "--",
		"curl", "-sS", "--fail-with-body", models, "https://api.acme.example/")
	equal(t, "Authorization", w.requests(victim)[0].Get("Authorization"), "Bearer "+inner)
	equal(t, "Authorization", w.requests("api.acme.example")[0].Get("Authorization"), "Bearer "+acme)
	equal(t, "run folders", len(w.runFolders(t)), 0)
}

// T001, in part: an upstream that can't prove who it is gets nothing, and the
// client is told why.
func TestUpstream_T001_certificates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	for _, c := range []struct {
		host string
		kind lab.Certificate
		says string
	}{
		{"self.api.openai.com", lab.SelfSigned, "unknown authority"},
		{"unknown.api.openai.com", lab.UnknownCA, "unknown authority"},
		{"expired.api.openai.com", lab.Expired, "expired"},
		{"future.api.openai.com", lab.NotYetValid, "not yet valid"},
		{"wrong.api.openai.com", lab.WrongHost, "another host"},
		{"cn.api.openai.com", lab.CNOnly, "another host"},
		{"sha1.api.openai.com", lab.SHA1, "the server's certificate is"},
		{"rsa1024.api.openai.com", lab.RSA1024, "RSA key"},
		{"constrained.api.openai.com", lab.NameConstraint, "name constraints"},
	} {
		t.Run(c.host, func(t *testing.T) {
			w.Certify(c.host, c.kind)
			r := w.ok(t, "run", "--", "curl", "-sS", "-i", "https://"+c.host+"/")
			contains(t, "answer", r.stdout, " 502", c.says)
			contains(t, "answer", strings.ToLower(r.stdout), "authsome-error: upstream_tls")
			equal(t, "requests", len(w.requests(c.host)), 0)
		})
	}
}

// A parent proxy that is not there: 502 with the reason, nothing else is tried.
func TestUpstream_parent_down(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	working := w.env
	w.env = set(w.env, "HTTPS_PROXY", "http://"+address)
	r := w.ok(t, "run", "--", "curl", "-sS", "-i", models)
	contains(t, "answer", r.stdout, " 502", "proxy")
	for name, route := range map[string]lab.Route{"refuses": lab.Refuse, "drops": lab.Drop} {
		w.env = working
		w.Route(victim, route)
		r := w.ok(t, "run", "--", "curl", "-sS", "-i", models)
		contains(t, "answer when it "+name, r.stdout, " 502", "proxy")
	}
	equal(t, "requests", len(w.Requests()), 0)
}

// What the user trusts besides the system, the child goes on trusting: a
// corporate root under any of the variables, next to the run's own.
func TestTrust_corporate_root(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	corporate := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("intranet")) }))
	defer corporate.Close()
	file := filepath.Join(w.Dir(), "corporate.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: corporate.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.do(t, "run", "--", "curl", "-sS", corporate.URL); r.code != 60 {
		t.Fatalf("trusted without the variable: %s", r)
	}
	env := w.env
	for _, variable := range []string{"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"} {
		w.env = set(env, variable, file)
		r := w.ok(t, "run", "--", "curl", "-sS", "--fail-with-body", corporate.URL, models)
		contains(t, "answers with "+variable, r.stdout, "intranet", "lab-1")
	}
	both := filepath.Join(w.Dir(), "both.pem")
	own, err := os.ReadFile(w.CA())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(both, append(own, block...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.env = set(env, "SSL_CERT_FILE", both)
	r := w.ok(t, "run", "--", "curl", "-sS", "--fail-with-body", corporate.URL, models)
	contains(t, "answers with SSL_CERT_FILE", r.stdout, "intranet", "lab-1")
}

// R065: an inherited NO_PROXY does not lead a routed host around the proxy.
func TestEnvironment_R065_no_proxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	env := w.env
	for _, c := range []struct{ value, left string }{
		{"api.openai.com,intranet.example", "intranet.example"}, {"*", ""}, {".openai.com,10.0.0.0/8", "10.0.0.0/8"},
	} {
		for _, variable := range []string{"NO_PROXY", "no_proxy"} {
			// authsome itself must come to the lab, so its own proxy is not NO_PROXY's business.
			w.env = append(env, variable+"="+c.value)
			r := w.ok(t, "run", "--", "sh", "-c", "echo $NO_PROXY; echo $no_proxy")
			want := strings.TrimPrefix(c.left+",localhost,127.0.0.1,::1", ",")
			equal(t, variable+"="+c.value, r.stdout, want+"\n"+want+"\n")
			contains(t, "warning", r.stderr, "NO_PROXY", "openai.com")
		}
	}
}

// R065, R066: the client goes through us whatever was inherited.
func TestEnvironment_R066_inherited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	w.env = append(w.env, "ALL_PROXY=socks5://127.0.0.1:1", "all_proxy=socks5://127.0.0.1:1", "NODE_TLS_REJECT_UNAUTHORIZED=0", "FTP_PROXY=http://127.0.0.1:1")
	r := w.ok(t, "run", "--", "sh", "-c", "curl -sS --fail-with-body "+models+" && echo; env | grep -i proxy=")
	contains(t, "answer", r.stdout, "lab-1")
	if strings.Contains(r.stdout, "socks5") || strings.Contains(r.stdout, "127.0.0.1:1\n") {
		t.Errorf("an inherited proxy is left: %s", r.stdout)
	}
	equal(t, "Authorization", w.requests(victim)[0].Get("Authorization"), "Bearer "+key)
}
