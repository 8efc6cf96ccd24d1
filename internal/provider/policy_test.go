package provider_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"authsome/internal/provider"
)

func parsePolicy(t testing.TB, text string) *provider.Policy {
	t.Helper()
	p, err := provider.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const unclear = "servers could read this request in two ways, and the rule allows one of them"

// TestPolicyDecide: the first rule that fits decides; what fits in one reading
// only is refused, whatever the rule says.
func TestPolicyDecide(t *testing.T) {
	p := parsePolicy(t, `{
		// comments are allowed
		"rules": [
			{"decision": "deny", "methods": "DELETE", "host": "api.github.com", "path": "/repos/*", "reason": "repositories stay"},
			{"decision": "allow", "methods": ["GET", "HEAD"], "host": "*.github.com"},
			{"decision": "allow", "methods": "POST", "host": "API.gitlab.com:8443", "path": ["/api/*/issues", "/"]},
			{"decision": "deny", "methods": "POST", "path": "/secret"},
			{"decision": "allow", "host": "intern.example"},
		],
		"otherwise": "deny",
	}`)
	denied := func(rule int, reason string) provider.Verdict { return provider.Verdict{Rule: rule, Reason: reason} }
	allowed := func(rule int) provider.Verdict { return provider.Verdict{Allowed: true, Rule: rule} }
	for name, test := range map[string]struct {
		methods string
		host    string
		port    uint16
		path    string
		want    provider.Verdict
	}{
		"deny":                    {"DELETE", "api.github.com", 443, "/repos/a/b", denied(1, "repositories stay")},
		"deny one below":          {"DELETE", "api.github.com", 443, "/repos/a", denied(1, "repositories stay")},
		"not the path itself":     {"DELETE", "api.github.com", 443, "/repos", denied(0, "")},
		"deny case":               {"DELETE", "api.github.com", 443, "/REPOS/a", denied(1, "repositories stay")},
		"deny slashes":            {"DELETE", "api.github.com", 443, "//repos//a/", denied(1, "repositories stay")},
		"deny dots":               {"DELETE", "api.github.com", 443, "/x/../repos/a", denied(1, "repositories stay")},
		"deny encoded dots":       {"DELETE", "api.github.com", 443, "/x/%2e%2e/repos/a", denied(1, "repositories stay")},
		"deny encoded letter":     {"DELETE", "api.github.com", 443, "/%72epos/a", denied(1, "repositories stay")},
		"deny twice encoded":      {"DELETE", "api.github.com", 443, "/%2572epos/a", denied(1, "repositories stay")},
		"deny encoded slash":      {"DELETE", "api.github.com", 443, "/repos%2Fa", denied(1, "repositories stay")},
		"deny backslash":          {"DELETE", "api.github.com", 443, "/repos%5Ca", denied(1, "repositories stay")},
		"deny parameters":         {"DELETE", "api.github.com", 443, "/repos;x/a", denied(1, "repositories stay")},
		"any odd path is refused": {"DELETE", "api.github.com", 443, "/other;x", denied(1, "repositories stay")},
		"deny override":           {"POST DELETE", "api.github.com", 443, "/repos/a", denied(1, "repositories stay")},
		"deny lower case":         {"delete", "api.github.com", 443, "/repos/a", denied(1, "repositories stay")},
		"deny host case":          {"DELETE", "API.GitHub.com.", 443, "/repos/a", denied(1, "repositories stay")},
		"deny any port":           {"DELETE", "api.github.com", 8443, "/repos/a", denied(1, "repositories stay")},
		"other host":              {"DELETE", "uploads.github.com", 443, "/repos/a", denied(0, "")},
		"allow":                   {"GET", "api.github.com", 443, "/repos/a", allowed(2)},
		"allow odd path":          {"GET", "uploads.github.com", 443, "/a/../b;c", allowed(2)},
		"allow both":              {"GET HEAD", "api.github.com", 443, "/", allowed(2)},
		"allow not overridden":    {"GET PATCH", "api.github.com", 443, "/", denied(2, unclear)},
		"allow lower case":        {"get", "api.github.com", 443, "/", denied(2, unclear)},
		"not the domain itself":   {"GET", "github.com", 443, "/", denied(0, "")},
		"not a look-alike":        {"GET", "api.github.com.evil.example", 443, "/", denied(0, "")},
		"nor another ending":      {"GET", "evilgithub.com", 443, "/", denied(0, "")},
		"path":                    {"POST", "api.gitlab.com", 8443, "/api/v4/issues", allowed(3)},
		"path and slash":          {"POST", "api.gitlab.com", 8443, "/api/v4/issues/", allowed(3)},
		"root":                    {"POST", "api.gitlab.com", 8443, "/", allowed(3)},
		"a star is one segment":   {"POST", "api.gitlab.com", 8443, "/api/v4/x/issues", denied(0, "")},
		"another port":            {"POST", "api.gitlab.com", 443, "/api/v4/issues", denied(0, "")},
		"allow not case":          {"POST", "api.gitlab.com", 8443, "/api/v4/Issues", denied(3, unclear)},
		"allow not a format":      {"POST", "api.gitlab.com", 8443, "/api/v4/issues.json", denied(3, unclear)},
		"allow encoded letter":    {"POST", "api.gitlab.com", 8443, "/api/v4/%69ssues", allowed(3)},
		"allow not encoded slash": {"POST", "api.gitlab.com", 8443, "/api/v4%2Fx/issues", denied(3, unclear)},
		"allow not dots":          {"POST", "api.gitlab.com", 8443, "/api/v4/x/../issues", denied(3, unclear)},
		"deny without reason":     {"POST", "other.example", 443, "/secret", denied(4, "")},
		"deny in one reading":     {"POST", "other.example", 443, "/Secret", denied(4, unclear)},
		"no methods, no path":     {"PROPFIND", "intern.example", 80, "/x;y", allowed(5)},
		"no host":                 {"GET", "", 443, "/", denied(0, "")},
	} {
		t.Run(name, func(t *testing.T) {
			got := p.Decide(test.host, test.port, strings.Fields(test.methods), test.path)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := (*provider.Policy)(nil).Decide("h", 1, nil, "/"); !got.Allowed {
		t.Error("no policy denies")
	}
}

// TestPolicyDecideHost: of what can't be looked into, only hosts are known.
func TestPolicyDecideHost(t *testing.T) {
	const unseen = "method and path can't be seen where no connected provider claims the host"
	rules := `"rules":[{"decision":"deny","methods":"DELETE"},{"decision":"allow","methods":"GET","host":"read.example"},
		{"decision":"deny","path":"/x","host":"deny.example"},{"decision":"allow","host":["127.0.0.1:8080","[::1]","ok.example"]}]`
	for name, test := range map[string]struct {
		otherwise, host string
		port            uint16
		want            provider.Verdict
	}{
		"otherwise allow":     {"allow", "pypi.org", 443, provider.Verdict{Allowed: true}},
		"otherwise deny":      {"deny", "pypi.org", 443, provider.Verdict{}},
		"allow with a method": {"allow", "read.example", 443, provider.Verdict{Rule: 2, Reason: unseen}},
		"deny with a path":    {"allow", "deny.example", 443, provider.Verdict{Rule: 3, Reason: unseen}},
		"allow":               {"deny", "ok.example", 80, provider.Verdict{Allowed: true, Rule: 4}},
		"address":             {"deny", "127.0.0.1", 8080, provider.Verdict{Allowed: true, Rule: 4}},
		"address, other port": {"deny", "127.0.0.1", 443, provider.Verdict{}},
		"IPv6":                {"deny", "::1", 443, provider.Verdict{Allowed: true, Rule: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			p := parsePolicy(t, `{`+rules+`,"otherwise":"`+test.otherwise+`"}`)
			if diff := cmp.Diff(test.want, p.DecideHost(test.host, test.port)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := (*provider.Policy)(nil).DecideHost("h", 1); !got.Allowed {
		t.Error("no policy denies")
	}
}

// TestPolicyMistakes: every mistake has its place, and none widens a rule.
func TestPolicyMistakes(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no JSON":          {`x`, "policy is invalid"},
		"empty":            {``, "file is empty"},
		"no rules":         {`{"otherwise":"deny"}`, "rules: is required"},
		"no otherwise":     {`{"rules":[]}`, "otherwise: is required"},
		"misspelled field": {`{"rules":[{"decision":"allow","host":"a.example","method":"GET"}],"otherwise":"deny"}`, `field "method" is unknown; did you mean "methods"?`},
		"decision":         {`{"rules":[{"decision":"block","host":"a.example"}],"otherwise":"deny"}`, `rules[0].decision: "block" is neither`},
		"otherwise":        {`{"rules":[],"otherwise":"ask"}`, `otherwise: "ask" is neither`},
		"everything":       {`{"rules":[{"decision":"allow"}],"otherwise":"deny"}`, "names no methods, host or path"},
		"empty list":       {`{"rules":[{"decision":"allow","host":"a.example","methods":[]}],"otherwise":"deny"}`, "is an empty list"},
		"lower case":       {`{"rules":[{"decision":"allow","methods":"get"}],"otherwise":"deny"}`, "is not a method in capital letters"},
		"URL":              {`{"rules":[{"decision":"allow","host":"https://a.example"}],"otherwise":"deny"}`, "is not HOST or *.HOST"},
		"inner wildcard":   {`{"rules":[{"decision":"allow","host":"a.*.example"}],"otherwise":"deny"}`, "is not HOST or *.HOST"},
		"disguised IP":     {`{"rules":[{"decision":"allow","host":"127.1"}],"otherwise":"deny"}`, "is not HOST or *.HOST"},
		"IP wildcard":      {`{"rules":[{"decision":"allow","host":"*.127.0.0.1"}],"otherwise":"deny"}`, "is not HOST or *.HOST"},
		"not ASCII":        {`{"rules":[{"decision":"allow","host":"ä.example"}],"otherwise":"deny"}`, "is not HOST or *.HOST"},
		"port":             {`{"rules":[{"decision":"allow","host":"a.example:0"}],"otherwise":"deny"}`, "port"},
		"two stars":        {`{"rules":[{"decision":"allow","path":"/a/**"}],"otherwise":"deny"}`, "normal form"},
		"part of segment":  {`{"rules":[{"decision":"allow","path":"/a/b*"}],"otherwise":"deny"}`, "normal form"},
		"dots":             {`{"rules":[{"decision":"allow","path":"/a/../b"}],"otherwise":"deny"}`, "normal form"},
		"encoded":          {`{"rules":[{"decision":"allow","path":"/a%2Fb"}],"otherwise":"deny"}`, "normal form"},
		"query":            {`{"rules":[{"decision":"allow","path":"/a?b"}],"otherwise":"deny"}`, "normal form"},
		"version":          {`{"schema_version":2,"rules":[],"otherwise":"deny"}`, "this program reads 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := provider.ParsePolicy([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func policySchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(provider.PolicySchema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// FuzzPolicy: what is read prints so that it is read again and says the same,
// and the schema accepts it.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"rules":[{"decision":"deny","methods":"DELETE","host":"*.example.com:8443","path":"/a/*/b","reason":"no"}],"otherwise":"allow"}`, "/a/x/b")
	f.Add(`{"rules":[{"decision":"allow","host":["[::1]:1","a.example"]},{"decision":"allow","path":["/","/x/*"]}],"otherwise":"deny"}`, "/%2e%2e/x")
	schema := policySchema(f)
	f.Fuzz(func(t *testing.T, text, path string) {
		p, err := provider.ParsePolicy([]byte(text))
		if err != nil {
			return
		}
		printed, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := provider.ParsePolicy(printed)
		if err != nil {
			t.Fatalf("%s: %v", printed, err)
		}
		if second, _ := json.Marshal(again); string(second) != string(printed) {
			t.Errorf("%s\n%s", printed, second)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(printed))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("schema: %s: %v", printed, err)
		}
		for _, method := range []string{"GET", "delete"} {
			if diff := cmp.Diff(p.Decide("a.example", 443, []string{method}, path), again.Decide("a.example", 443, []string{method}, path)); diff != "" {
				t.Error(diff)
			}
		}
	})
}
