package broker_test

import (
	"maps"
	"net/http"
	"testing"

	"authsome/internal/broker"
)

// BenchmarkAuthorize is a request with an SDK's fields, from the question
// whose it is to the audit line of its answer.
func BenchmarkAuthorize(b *testing.B) {
	w := newWorld(b)
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.login("alpha", "default", "CANARY-abcdefghijklmnop")
	session := w.session(broker.Selection{})
	r := get("https://alpha.test.example/v1/models")
	header := http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer authsome-proxy-managed"},
		"Content-Type": {"application/json"}, "User-Agent": {"sdk/1.0"}, "X-Stainless-Lang": {"python"}, "X-Stainless-Os": {"Linux"},
		"X-Stainless-Arch": {"x64"}, "X-Stainless-Runtime": {"CPython"}, "X-Request-Id": {"1234567890"},
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Header = maps.Clone(header)
		use, err := session.Authorize(r)
		if err != nil {
			b.Fatal(err)
		}
		use.Done(http.StatusOK, nil)
	}
}
