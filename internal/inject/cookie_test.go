package inject_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"authsome/internal/inject"
)

// FuzzCookie: whatever the client sends, the server finds the credential's
// cookie once, with the credential's value, and the client's others as before.
func FuzzCookie(f *testing.F) {
	for _, seed := range []string{"", "a=1; b=2", "session=x; SESSION=y", `a="session=1; b"; c`, "a=1,session=2;session", " ;=; session =x", "\xff=1;ſession=2"} {
		f.Add(seed)
	}
	injection, err := inject.Compile(inject.Spec{Kind: "cookie", Name: "session", Value: "{api_key}"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		r := vector{Header: http.Header{"Cookie": {sent}}}.request()
		before := slices.DeleteFunc(r.Cookies(), func(c *http.Cookie) bool { return strings.EqualFold(c.Name, "session") })
		if _, err := injection.Apply(r, vector{Fields: map[string]string{"api_key": "CANARY"}}.credential()); err != nil {
			t.Fatal(err)
		}
		var after []string
		found := 0
		for _, c := range r.Cookies() {
			if strings.EqualFold(c.Name, "session") {
				found++
				if c.Name != "session" || c.Value != "CANARY" {
					t.Errorf("%q: the server finds %s=%s", sent, c.Name, c.Value)
				}
				continue
			}
			after = append(after, c.Name+"="+c.Value)
		}
		if found != 1 || len(r.Header["Cookie"]) != 1 {
			t.Errorf("%q: the credential is there %d times: %q", sent, found, r.Header)
		}
		for _, c := range before {
			if pair := c.Name + "=" + c.Value; !slices.Contains(after, pair) && !strings.Contains(pair, ",") {
				t.Errorf("%q: the client's %q is gone", sent, pair)
			}
		}
	})
}
