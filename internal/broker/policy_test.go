package broker_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/broker"
	"authsome/internal/inject"
	"authsome/internal/provider"
)

func policy(t *testing.T, text string) *provider.Policy {
	t.Helper()
	p, err := provider.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const readOnly = `{"rules":[{"decision":"allow","methods":["GET","HEAD"]}],"otherwise":"deny"}`

func request(method, target string, header ...string) *http.Request {
	r := get(target, header...)
	r.Method = method
	return r
}

// TestPolicy: a policy of the run is asked for every request that can be read,
// one of a connection for its own.
func TestPolicy(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "", "key")
	w.login("alpha", "free", "other-key")
	if err := w.open().SetPolicy(t.Context(), "alpha", "default", policy(t, readOnly)); err != nil {
		t.Fatal(err)
	}
	w.login("alpha", "", "new-key") // which keeps it
	keys := `{"rules":[{"decision":"deny","path":"/v1/keys/*","reason":"keys are not shown"}],"otherwise":"allow"}`
	session := w.session(broker.Selection{Policy: policy(t, keys)})
	for name, test := range map[string]struct {
		request *http.Request
		want    outcome
		reason  string
	}{
		"read":             {request("GET", "https://alpha.test.example/"), outcome{Use: "alpha/default"}, ""},
		"write":            {request("POST", "https://alpha.test.example/"), outcome{Denied: broker.CodePolicy}, "the policy of this connection does not allow this request: no rule allows it"},
		"override":         {request("GET", "https://alpha.test.example/", "X_Http_Method_Override", "PUT"), outcome{Denied: broker.CodePolicy}, "two ways"},
		"query override":   {request("GET", "https://alpha.test.example/?a;_meth%6Fd=PUT"), outcome{Denied: broker.CodePolicy}, "two ways"},
		"another account":  {request("POST", "https://alpha.test.example/", "Authsome-Connection", "free"), outcome{Use: "alpha/free"}, ""},
		"of the run":       {request("GET", "https://alpha.test.example/v1/keys/1"), outcome{Denied: broker.CodePolicy}, "the policy of this run does not allow this request: rule 1, keys are not shown"},
		"of the run, free": {request("GET", "https://alpha.test.example/v1/keys/1", "Authsome-Connection", "free"), outcome{Denied: broker.CodePolicy}, "rule 1"},
		"without any":      {request("GET", "https://alpha.test.example/v1/keys/1", "Authsome-Connection", "-"), outcome{Denied: broker.CodePolicy}, "rule 1"},
	} {
		t.Run(name, func(t *testing.T) {
			explained := session.Explain(test.request.Clone(t.Context()))
			use, err := session.Authorize(test.request)
			got := outcome{Use: strings.Trim(use.Provider+"/"+use.Connection, "/")}
			if denied, ok := err.(*broker.Denied); ok {
				got.Denied = denied.Code
				if !strings.Contains(denied.Reason, test.reason) || test.reason == "" {
					t.Errorf("%q, want %q", denied.Reason, test.reason)
				}
				if diff := cmp.Diff(denied, explained.Denied); diff != "" {
					t.Error(diff)
				}
			}
			if got.Use != test.want.Use || got.Denied != test.want.Denied {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
	log, err := os.ReadFile(w.log())
	if err != nil || strings.Count(string(log), `"reason":"policy_denied"`) != 6 || !strings.Contains(string(log), "rule 1, keys are not shown") ||
		!strings.Contains(string(log), `"event":"policy"`) {
		t.Errorf("%v\n%s", err, log)
	}
}

// TestPolicyPinned: what a run began with holds until its end, whoever takes
// the policy off or logs in anew; what comes on top of it holds too.
func TestPolicyPinned(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "", "key")
	set := func(p *provider.Policy) {
		t.Helper()
		if err := w.open().SetPolicy(t.Context(), "alpha", "default", p); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // a session looks that often
	}
	set(policy(t, readOnly))
	session := w.session(broker.Selection{})
	code := func(method, path string) broker.Code {
		return authorize(session, request(method, "https://alpha.test.example"+path)).Denied
	}
	check := func(when string, get, post, getX broker.Code) {
		t.Helper()
		if got, want := []broker.Code{code("GET", "/"), code("POST", "/"), code("GET", "/x")}, []broker.Code{get, post, getX}; !cmp.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	const no = broker.CodePolicy
	check("at first", "", no, "")
	set(nil)
	check("taken off", "", no, "")
	set(policy(t, `{"rules":[{"decision":"deny","path":"/x"}],"otherwise":"allow"}`))
	check("another", "", no, no)
	if _, err := w.open().Logout(t.Context(), "alpha", "default"); err != nil {
		t.Fatal(err)
	}
	w.login("alpha", "", "key")
	time.Sleep(300 * time.Millisecond)
	check("logged in anew", "", no, "")
	c, err := w.open().Connection(t.Context(), "alpha", "default")
	if err != nil || c.Policy != nil {
		t.Error("a logout keeps the policy", err)
	}
	if got := authorize(w.session(broker.Selection{}), request("POST", "https://alpha.test.example/")); got.Denied != "" {
		t.Errorf("a later run: %+v", got)
	}
}

// TestExplain: what is told of a request that gets a credential, and of one
// that gets none.
func TestExplain(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer+`,{"kind":"subprotocol","value":"key.{api_key}"}`)
	w.define("beta", `"alpha.test.example"`, `{"kind":"header","name":"X-Key","value":"{api_key}"}`)
	w.login("alpha", "", "key")
	w.login("alpha", "work", "other-key")
	header := []inject.Spec{{Kind: "header", Name: "Authorization", Value: "Bearer {api_key}"}}
	alpha := broker.Explanation{Provider: "alpha", Connection: "default", Chosen: broker.ChosenByDefault, Rule: "alpha.test.example", Inject: header}
	with := func(change func(*broker.Explanation)) broker.Explanation { e := alpha; change(&e); return e }
	check := func(name string, s broker.Selection, r *http.Request, want broker.Explanation) {
		t.Helper()
		if diff := cmp.Diff(want, w.session(s).Explain(r)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	const url = "https://alpha.test.example/"
	check("default", broker.Selection{}, get(url), alpha)
	check("run", broker.Selection{Connections: map[string]string{"alpha": "work"}}, get(url),
		with(func(e *broker.Explanation) { e.Connection, e.Chosen = "work", broker.ChosenByRun }))
	check("request", broker.Selection{}, get(url, "Authorization", "token "+inject.Placeholder+":work"),
		with(func(e *broker.Explanation) { e.Connection, e.Chosen = "work", broker.ChosenByRequest }))
	check("policy", broker.Selection{Policy: policy(t, readOnly)}, get(url),
		with(func(e *broker.Explanation) {
			e.Policies = []broker.Ruling{{Of: "run", Verdict: provider.Verdict{Allowed: true, Rule: 1}}}
		}))
	check("websocket", broker.Selection{}, get(url, "Sec-Websocket-Key", "x"),
		with(func(e *broker.Explanation) {
			e.Inject = append(header, inject.Spec{Kind: "subprotocol", Value: "key.{api_key}"})
		}))
	check("placeholder wanted", broker.Selection{Placeholder: true}, get(url),
		broker.Explanation{Unchanged: "it carries no placeholder, without which it is left anonymous"})
	check("asks for none", broker.Selection{}, get(url, "Authsome-Connection", "-"), broker.Explanation{Unchanged: "it asks for no connection"})
	check("unclaimed", broker.Selection{}, get("https://beta.test.example/"), broker.Explanation{Unchanged: "no connected provider claims it"})
	w.login("beta", "", "third-key")
	check("tie", broker.Selection{}, get(url), broker.Explanation{Unchanged: "several connected providers claim it equally", Ambiguous: []string{"alpha", "beta"}})
	log, err := os.ReadFile(w.log())
	if err != nil || strings.Contains(string(log), "alpha.test.example") {
		t.Errorf("an explanation was written down: %v\n%s", err, log)
	}
}
