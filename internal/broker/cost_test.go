package broker

import (
	"net/http"
	"net/url"
	"testing"
)

// TestPolicyCostsNothing: a run and a connection without a policy pay nothing
// for what policies could say.
func TestPolicyCostsNothing(t *testing.T) {
	r := &http.Request{Method: "POST", URL: &url.URL{Scheme: "https", Host: "alpha.test.example", Path: "/v1/x"}, Header: http.Header{"Accept": {"*/*"}}}
	session, connection := &Session{}, Connection{Provider: "alpha", Name: "default"}
	allocations := testing.AllocsPerRun(100, func() {
		if session.runPolicy(r) != nil || connection.policyDenies(r) != nil {
			t.Fatal("denied without a policy")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
