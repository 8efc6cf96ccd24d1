package broker_test

import (
	"maps"
	"net/http"
	"testing"

	"authsome/internal/broker"
)

// TestAuthorizeAllocations: what a request costs that can be counted.
func TestAuthorizeAllocations(t *testing.T) {
	once, r, header := authorizing(t)
	found := testing.AllocsPerRun(200, once) - testing.AllocsPerRun(200, func() { r.Header = maps.Clone(header) })
	if found > 13 {
		t.Errorf("%.0f allocations to authorize a request", found)
	}
}

// BenchmarkAuthorize is a request with an SDK's fields, from the question
// whose it is to the audit line of its answer.
func BenchmarkAuthorize(b *testing.B) {
	once, _, _ := authorizing(b)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}

// authorizing returns what has r authorized with a copy of header.
func authorizing(t testing.TB) (once func(), r *http.Request, header http.Header) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "default", "CANARY-abcdefghijklmnop")
	session := w.session(broker.Selection{})
	r = get("https://alpha.test.example/v1/models")
	header = http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer authsome-proxy-managed"},
		"Content-Type": {"application/json"}, "User-Agent": {"sdk/1.0"}, "X-Stainless-Lang": {"python"}, "X-Stainless-Os": {"Linux"},
		"X-Stainless-Arch": {"x64"}, "X-Stainless-Runtime": {"CPython"}, "X-Request-Id": {"1234567890"},
	}
	return func() {
		r.Header = maps.Clone(header)
		use, err := session.Authorize(r)
		if err != nil {
			t.Fatal(err)
		}
		use.Done(http.StatusOK, nil)
	}, r, header
}
