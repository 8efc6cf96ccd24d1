package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/broker"
)

// TestDeniedEndpoints: what the definition denies does not leave with a
// credential, however it is asked for, and the audit log says so.
func TestDeniedEndpoints(t *testing.T) {
	w := newWorld(t)
	definition := `{"name":"alpha","display_name":"Alpha","auth_type":"api_key","flow":"api_key","host_url":"alpha.test.example",
		"deny":[{"methods":"POST","path":"/v1/keys","reason":"it answers with another key"},{"path":["/headers","/anything"],"reason":"it shows the request"}]}`
	if _, err := w.open().Register([]byte(definition), true); err != nil {
		t.Fatal(err)
	}
	w.login("alpha", "", "alpha-key")
	session := w.session(broker.Selection{})
	allowing := w.session(broker.Selection{Denied: []string{"alpha"}})
	for name, test := range map[string]struct {
		method, target string
		header         []string
		denied         bool
	}{
		"X012_post":            {"POST", "https://alpha.test.example/v1/keys", nil, true},
		"X012_lower_case":      {"post", "https://alpha.test.example/v1/keys", nil, true},
		"X012_get":             {"GET", "https://alpha.test.example/v1/keys", nil, false},
		"X012_spelled":         {"POST", "https://alpha.test.example//V1/x/%2e%2e/keys/?q", nil, true},
		"X012_override":        {"GET", "https://alpha.test.example/v1/keys", []string{"X-HTTP-Method-Override", "POST"}, true},
		"X012_override_lower":  {"PUT", "https://alpha.test.example/v1/keys", []string{"x_http_method", " post"}, true},
		"X012_override_query":  {"GET", "https://alpha.test.example/v1/keys?_method=post", nil, true},
		"X012_other_override":  {"GET", "https://alpha.test.example/v1/keys", []string{"X-Method-Override", "PATCH"}, false},
		"X010_headers":         {"GET", "https://alpha.test.example/headers", nil, true},
		"X010_anything":        {"DELETE", "https://alpha.test.example/anything/", nil, true},
		"X010_not_below":       {"GET", "https://alpha.test.example/anything/else", nil, false},
		"X010_named_by_header": {"GET", "https://alpha.test.example/headers", []string{"Authsome-Connection", "alpha/default"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := get(test.target, test.header...)
			r.Method = test.method
			got := authorize(session, r)
			if (got.Denied == broker.CodeEndpoint) != test.denied || (got.Use != "") == test.denied {
				t.Errorf("%+v", got)
			}
			r = get(test.target, test.header...)
			r.Method = test.method
			if got := authorize(allowing, r); got.Use != "alpha/default" {
				t.Errorf("allowed by the run: %+v", got)
			}
		})
	}
	t.Run("unchanged", func(t *testing.T) {
		if got := authorize(session, get("https://alpha.test.example/headers", "Authsome-Connection", "-")); got.Denied != "" || got.Use != "" {
			t.Errorf("without a credential: %+v", got)
		}
	})
	r := get("https://alpha.test.example/headers")
	_, err := session.Authorize(r)
	var denied *broker.Denied
	if !errors.As(err, &denied) {
		t.Fatal(err)
	}
	want := &broker.Denied{Code: broker.CodeEndpoint, Provider: "alpha", Connection: "default",
		Reason: "authsome does not use a credential here: it shows the request", Hint: "authsome run --allow-denied alpha"}
	if diff := cmp.Diff(want, denied); diff != "" {
		t.Error(diff)
	}
	log, err := os.ReadFile(filepath.Join(w.dir, "audit.log"))
	if err != nil || strings.Count(string(log), `"endpoint_denied"`) != 10 {
		t.Errorf("%v\n%s", err, log)
	}
}
