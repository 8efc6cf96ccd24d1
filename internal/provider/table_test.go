package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/provider"
)

// parse parses a definition that must be right.
func parse(t testing.TB, data string) *provider.Definition {
	t.Helper()
	def, warnings, err := provider.Parse([]byte(data))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return def
}

// keyed returns a definition of an API key for hosts, which are JSON.
func keyed(t testing.TB, name, hosts string) *provider.Definition {
	t.Helper()
	return parse(t, fmt.Sprintf(`{"name":%q,"display_name":"X","auth_type":"api_key","flow":"api_key","host_url":%s}`, name, hosts))
}

// table makes a table; each entry is "id host…".
func table(t testing.TB, entries ...string) *provider.Table {
	t.Helper()
	var list []provider.Entry
	for _, entry := range entries {
		words := strings.Fields(entry)
		hosts := `["` + strings.Join(words[1:], `","`) + `"]`
		list = append(list, provider.Entry{ID: words[0], Def: keyed(t, words[0], strings.ReplaceAll(hosts, `\`, `\\`))})
	}
	return provider.NewTable(list)
}

// route writes candidates as "a > b = c": b and c tie.
func route(candidates []provider.Candidate) string {
	var b strings.Builder
	for i, c := range candidates {
		if i > 0 && c.Specificity == candidates[i-1].Specificity {
			b.WriteString(" = ")
		} else if i > 0 {
			b.WriteString(" > ")
		}
		b.WriteString(c.ID)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	tab := table(t,
		"exact api.alpha.test",
		"twin api.alpha.test",
		"port api.alpha.test:8443",
		"wild *.alpha.test",
		`regex regex:[a-z]+\.alpha\.test`,
		"root https://paths.beta.test",
		"v1 https://paths.beta.test/v1",
		"v1beta https://paths.beta.test/v1/beta https://paths.beta.test/v1",
		"pathonly https://only.beta.test/api",
		"both *.gamma.test gamma.test a.gamma.test",
		"addr https://192.0.2.1:8443",
		"six https://[2001:db8::1]",
	)
	for _, tc := range []struct {
		id, host  string
		port      uint16
		path      string
		want      string
		claimed   bool
		ambiguous bool
	}{
		{"R031_tie", "api.alpha.test", 443, "/", "exact = twin > wild > regex", true, false},
		{"R017_case", "API.Alpha.Test", 443, "/", "exact = twin > wild > regex", true, false},
		{"R018_final_dot", "api.alpha.test.", 443, "/", "exact = twin > wild > regex", true, false},
		{"R018_two_dots", "api.alpha.test..", 443, "/", "", false, false},
		{"R015_port_of_the_rule", "api.alpha.test", 8443, "/", "port", true, false},
		{"R014_other_port", "api.alpha.test", 8444, "/", "", false, false},
		{"R032_wildcard_over_regex", "www.alpha.test", 443, "/", "wild > regex", true, false},
		{"wildcard_only", "a.b.alpha.test", 443, "/", "wild", true, false},
		{"domain_itself", "alpha.test", 443, "/", "", false, false},
		{"R025_lookalike", "api.alpha.test.evil.test", 443, "/", "", false, false},
		{"path_none", "paths.beta.test", 443, "/v2", "root", true, false},
		{"path_tie", "paths.beta.test", 443, "/v1/x", "v1 = v1beta > root", true, false},
		{"path_longest", "paths.beta.test", 443, "/v1/beta/x?y=/../", "v1beta > v1 > root", true, false},
		{"path_case", "paths.beta.test", 443, "/V1", "root", true, false},
		{"path_slashes", "paths.beta.test", 443, "//v1", "v1 = v1beta > root", true, false},
		{"R033_dots", "paths.beta.test", 443, "/v1/../v2", "", true, true},
		{"R033_encoded_dots", "paths.beta.test", 443, "/v1/%2e%2E/v2", "", true, true},
		{"R033_encoded_slash", "paths.beta.test", 443, "/v1%2fbeta", "", true, true},
		{"R033_encoded_slash_in_a_longer_rule", "paths.beta.test", 443, "/v1/beta%2Fx", "", true, true},
		{"R033_encoded_slash_below", "paths.beta.test", 443, "/v1/x/group%2Fproject", "v1 = v1beta > root", true, false},
		{"R033_encoded_slash_outside", "paths.beta.test", 443, "/v2/group%2fproject", "root", true, false},
		{"R033_encoded_slash_first", "only.beta.test", 443, "/%2fapi/x", "", true, true},
		{"R033_encoded_slash_and_dots", "paths.beta.test", 443, "/v1/x%2f..%2f..%2fv2", "", true, true},
		{"R033_encoded_slash_and_encoded_dots", "paths.beta.test", 443, "/v1/x%2f%2e%2e%2fv2", "", true, true},
		{"R033_encoded_slash_twice", "paths.beta.test", 443, "/v1/x%252fv2", "", true, true},
		{"R033_encoded_zero", "paths.beta.test", 443, "/v1/x%00y%2fz", "", true, true},
		{"R033_dots_without_path_rules", "api.alpha.test", 443, "/v1/../v2", "exact = twin > wild > regex", true, false},
		{"path_claims_only_below", "only.beta.test", 443, "/other", "", true, false},
		{"once_per_entry", "a.gamma.test", 443, "/", "both", true, false},
		{"address", "192.0.2.1", 8443, "/", "addr", true, false},
		{"address6", "[2001:DB8:0::1]", 443, "/", "six", true, false},
		{"address6_bare", "2001:db8::1", 443, "/", "six", true, false},
		{"zone", "2001:db8::1%eth0", 443, "/", "", false, false},
		{"empty", "", 443, "/", "", false, false},
		{"long", strings.Repeat("a.", 1000) + "alpha.test", 443, "/", "", false, false},
	} {
		t.Run(tc.id, func(t *testing.T) {
			for range 2 { // the second time from memory
				if got := route(tab.Candidates(tc.host, tc.port, tc.path)); got != tc.want {
					t.Errorf("Candidates = %q, want %q", got, tc.want)
				}
				if got := tab.Claims(tc.host, tc.port); got != tc.claimed {
					t.Errorf("Claims = %t, want %t", got, tc.claimed)
				}
				if got := tab.PathAmbiguous(tc.host, tc.port, tc.path); got != tc.ambiguous {
					t.Errorf("PathAmbiguous = %t, want %t", got, tc.ambiguous)
				}
			}
		})
	}
	want := []string{"*.alpha.test", "*.gamma.test", "192.0.2.1", "2001:db8::1", "a.gamma.test", "alpha.test", "api.alpha.test", "gamma.test", "only.beta.test", "paths.beta.test"}
	if diff := cmp.Diff(want, tab.Patterns()); diff != "" {
		t.Errorf("Patterns (-want +got):\n%s", diff)
	}
}

// TestTableMemory asks for more hosts than are remembered.
func TestTableMemory(t *testing.T) {
	tab := table(t, "wild *.alpha.test")
	for i := range 10_000 {
		host := fmt.Sprintf("h%d.alpha.test", i)
		if got := route(tab.Candidates(host, 443, "/")); got != "wild" {
			t.Fatalf("%s: %q", host, got)
		}
	}
}

func TestTableConcurrent(t *testing.T) {
	tab := table(t, "wild *.alpha.test", "path https://p.alpha.test/v1")
	done := make(chan bool)
	for range 4 {
		go func() {
			for i := range 2000 {
				host := fmt.Sprintf("h%d.alpha.test", i%300)
				if !tab.Claims(host, 443) || len(tab.Candidates("p.alpha.test", 443, "/v1")) != 2 {
					t.Errorf("%s is not claimed", host)
				}
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
}

// manyProviders is a table of n providers: exact hosts, one in ten with a
// wildcard, one in a hundred with a regex.
func manyProviders(b *testing.B, n int) *provider.Table {
	entries := make([]provider.Entry, n)
	for i := range entries {
		hosts := fmt.Sprintf(`["api.p%d.test"]`, i)
		switch {
		case i%100 == 0:
			hosts = fmt.Sprintf(`["regex:^api[0-9]+\\.p%d\\.test$"]`, i)
		case i%10 == 0:
			hosts = fmt.Sprintf(`["*.p%d.test"]`, i)
		}
		entries[i] = provider.Entry{ID: fmt.Sprint(i), Def: keyed(b, fmt.Sprint("p", i), hosts)}
	}
	return provider.NewTable(entries)
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		tab := manyProviders(b, n)
		last := n - 1
		for _, bm := range []struct{ name, host string }{
			{"exact", fmt.Sprintf("api.p%d.test", last)},
			{"regex", "api7.p0.test"},
			{"miss", "www.elsewhere.test"},
		} {
			b.Run(fmt.Sprintf("n=%d/again/%s", n, bm.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					tab.Candidates(bm.host, 443, "/v1/models")
				}
			})
		}
		b.Run(fmt.Sprintf("n=%d/first", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				tab.Candidates(fmt.Sprintf("api%d.p%d.test", i, 100*(i%(n/100+1))), 443, "/v1/models")
			}
		})
	}
}

// BenchmarkHostilePattern is the slowest pattern that is accepted, on the
// longest host, seen for the first time.
func BenchmarkHostilePattern(b *testing.B) {
	rule, err := provider.ParseRule(`regex:(([a-z0-9]+[a-z0-9.]*)*[a-z.]{0,80})+x\.example\.com`)
	if err != nil {
		b.Fatal(err)
	}
	host := strings.Repeat(strings.Repeat("a", 30)+".", 7) + "x.example.com"
	for b.Loop() {
		rule.Match(host, 443, "/")
	}
}
