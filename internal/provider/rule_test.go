package provider_test

import (
	"strings"
	"testing"

	"authsome/internal/provider"
)

func TestParseRule(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want string // String of the rule
		kind provider.Kind
	}{
		{"api.example.com", "api.example.com", provider.Exact},
		{"API.Example.COM", "api.example.com", provider.Exact},
		{"api.example.com:8443", "api.example.com:8443", provider.Exact},
		{"https://api.example.com", "api.example.com", provider.Exact},
		{"https://api.example.com/", "api.example.com", provider.Exact},
		{"https://api.example.com:443/v1/", "https://api.example.com/v1", provider.Exact},
		{"https://api.example.com:8443/v1/x.y", "https://api.example.com:8443/v1/x.y", provider.Exact},
		{"*.example.com", "*.example.com", provider.Wildcard},
		{"https://*.example.com/v1", "https://*.example.com/v1", provider.Wildcard},
		{"https://api.example.com/*/**/info/refs/", "https://api.example.com/*/**/info/refs", provider.Exact},
		{"https://192.0.2.1/v1", "https://192.0.2.1/v1", provider.Exact},
		{"https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443", provider.Exact},
		{"https://127.0.0.1:8443", "https://127.0.0.1:8443", provider.Exact},
		{"https://localhost:8443", "https://localhost:8443", provider.Exact},
		{"example.co.uk", "example.co.uk", provider.Exact},
		{"octocat.github.io", "octocat.github.io", provider.Exact},
		{`regex:^api[0-9]+\.example\.com$`, `regex:^api[0-9]+\.example\.com$`, provider.Regex},
		{`REGEX:(.+\.)?example\.(com|net)`, `regex:(.+\.)?example\.(com|net)`, provider.Regex},
	} {
		rule, err := provider.ParseRule(tc.in)
		if err != nil {
			t.Errorf("ParseRule(%q): %v", tc.in, err)
			continue
		}
		if rule.String() != tc.want || rule.Kind != tc.kind {
			t.Errorf("ParseRule(%q) = %s (%s), want %s (%s)", tc.in, rule, rule.Kind, tc.want, tc.kind)
		}
		if again, err := provider.ParseRule(rule.String()); err != nil || again.String() != rule.String() {
			t.Errorf("ParseRule(%q) is not stable: %v, %v", rule.String(), again, err)
		}
	}
}

// refused are rules that must not parse, and what the error must say.
var refused = map[string]string{
	"":                                        "empty",
	"*":                                       "wildcard is written",
	".":                                       "not a host name",
	"com":                                     "too broad",
	"co.uk":                                   "public suffix",
	"*.com":                                   "too broad",
	"*.co.uk":                                 "public suffix",
	"github.io":                               "public suffix",
	"*.github.io":                             "public suffix",
	"*.googleapis.com":                        "public suffix",
	"1.2.3.4":                                 "IP address",
	"*.1.2.3.4":                               "IP address",
	"127.1":                                   "IP address",
	"0x7f.1":                                  "IP address",
	"localhost":                               "no dot",
	"*.localhost":                             "no dot",
	"http://api.example.com":                  "https",
	"HTTP://api.example.com":                  "https",
	"ftp://api.example.com":                   "https",
	"https://x.example/a/*":                   "end in a wildcard",
	"https://x.example/**":                    "end in a wildcard",
	"https://x.example/a*/b":                  "whole segments",
	"https://x.example/***/b":                 "whole segments",
	"https://x.example/**/a/**/b":             "** is there once",
	"https://x.example/*/../b":                "normal form",
	"https://x.example/p?q":                   "query",
	"https://x.example/p#f":                   "fragment",
	"https://u@x.example/":                    "user information",
	"https://u:p@x.example/":                  "user information",
	"user@example.com":                        "user information",
	"example.com/v1":                          "https:// URL",
	"example.com:99999":                       "1 to 65535",
	"example.com:0":                           "1 to 65535",
	"example.com:0443":                        "1 to 65535",
	"example.com:+443":                        "1 to 65535",
	"example.com:":                            "1 to 65535",
	"https://example.com:":                    "port is missing",
	"https://example.com:70000":               "1 to 65535",
	"example..com":                            "not a host name",
	"example.com.":                            "not a host name",
	".example.com":                            "not a host name",
	"-a.example.com":                          "not a host name",
	"a_b.example.com":                         "not a host name",
	"exa mple.com":                            "not a host name",
	"exam\nple.com":                           "not a host name",
	"bücher.example":                          "xn--",
	"a.*.example.com":                         "wildcard is written",
	"*api.example.com":                        "wildcard is written",
	"**.example.com":                          "wildcard is written",
	"https://x.example.com/a/../b":            "normal form",
	"https://x.example.com//a":                "normal form",
	"https://x.example.com/a//":               "normal form",
	"https://x.example.com/%61":               "normal form",
	"https://x.example.com/a;b":               "normal form",
	"https://0.0.0.0":                         "IP address",
	"https://224.0.0.1":                       "IP address",
	"https://169.254.169.254":                 "IP address",
	"https://[fe80::1]":                       "IP address",
	"https://[::ffff:192.0.2.1]":              "IP address",
	"https://":                                "no host",
	"https:///v1":                             "no host",
	"regex:":                                  "empty",
	"regex:.*googleapis.*":                    "literal registrable domain",
	`regex:.*\.googleapis\.com`:               "public suffix",
	`regex:.*example\.com`:                    "too broad", // evilexample.com
	`regex:[a-z]+example\.com$`:               "too broad",
	`regex:.*\.com`:                           "too broad",
	`regex:.*\.co\.uk`:                        "public suffix",
	`regex:api\.(example\.com|.*)`:            "literal registrable domain",
	`regex:(a\.example\.com)?`:                "literal registrable domain",
	`regex:api.example.com|.+`:                "literal registrable domain",
	`regex:.*.example.com`:                    "literal registrable domain", // the dots match anything
	`regex:a\.example\.com[a-z]*`:             "literal registrable domain",
	`regex:foo)|(?:.*`:                        "unexpected )",
	`regex:(?=x)a\.example\.com`:              "no lookahead",
	`regex:a\.example\.com\Q`:                 "", // either way, not beyond its anchors
	`regex:[^\x00-\x7f]\.`:                    "",
	`regex:b[^\x00-\x{10ffff}]\.example\.com`: "no host",
	"regex:é\\.example\\.com":                 "ASCII",
	`regex:(a{1000}){1000}\.example\.com`:     "",
	`regex:a{1000}\.example\.com`:             "steps",
}

func TestParseRuleRefuses(t *testing.T) {
	for in, want := range refused {
		rule, err := provider.ParseRule(in)
		switch {
		case err == nil && want == "" && rule.Match("evil.example.net", 443, "/"):
			t.Errorf("ParseRule(%q) matches a stranger", in)
		case err == nil && want != "":
			t.Errorf("ParseRule(%q) = %s, want an error", in, rule)
		case err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("ParseRule(%q): %v; want %q", in, err, want)
		}
	}
}

func TestRuleMatch(t *testing.T) {
	for _, tc := range []struct {
		id, rule  string
		hit, miss []string
	}{
		{"R017_R018_R025_exact", "alpha.test",
			[]string{"alpha.test", "ALPHA.Test", "alpha.test."},
			[]string{"evil-alpha.test", "alpha.test.evil.test", "alphaXtest", "xalpha.test", "x.alpha.test", "alpha.test..", ".alpha.test", "alpha.test\n",
				"alpha.test\x00", "[alpha.test]", "user@alpha.test", "alpha.test%2eevil.test", "alpha。test", "аlpha.test", "alpha.test:443", "alpha.test/", ""}},
		{"R026_regex", `regex:^api[0-9]+\.gamma\.test$`,
			[]string{"api1.gamma.test", "API22.gamma.TEST", "api1.gamma.test."},
			[]string{"api1.gamma.test.evil.test", "xapi1.gamma.test", "api.gamma.test", "api1xgammaxtest", "api1.gamma.test\n", "api1.gammaxtest"}},
		{"R027_regex_without_anchors", `regex:gamma\.test`,
			[]string{"gamma.test"},
			[]string{"evilgamma.test", "gamma.test.evil.test", "x.gamma.test"}},
		{"wildcard", "*.gamma.test",
			[]string{"a.gamma.test", "a.b.gamma.test", "A_b.Gamma.test"},
			[]string{"gamma.test", ".gamma.test", "evilgamma.test", "a.gamma.test.evil.test", "a..gamma.test", "-.gamma.test", strings.Repeat("a.", 130) + "gamma.test"}},
		{"suffix_in_between", "*.amazonaws.com",
			[]string{"sts.amazonaws.com"},
			[]string{"evil.s3.amazonaws.com", "s3.amazonaws.com", "a.b.evil.s3.amazonaws.com"}},
		{"alternatives", `regex:(www\.)?(example\.com|example\.net)`,
			[]string{"example.com", "www.example.net"},
			[]string{"example.org", "evilexample.com", "wwwxexample.com"}},
		{"address", "https://127.0.0.1:443", []string{"127.0.0.1"}, []string{"127.0.0.1.evil.test", "127.1", "2130706433", "localhost"}},
	} {
		t.Run(tc.id, func(t *testing.T) {
			rule, err := provider.ParseRule(tc.rule)
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range tc.hit {
				if !rule.Match(host, 443, "/") {
					t.Errorf("%s does not match %q", rule, host)
				}
			}
			for _, host := range tc.miss {
				if rule.Match(host, 443, "/") {
					t.Errorf("%s matches %q", rule, host)
				}
			}
			if rule.Match(tc.hit[0], 8443, "/") || rule.Match(tc.hit[0], 80, "/") {
				t.Errorf("%s matches another port", rule)
			}
		})
	}
}

func TestRulePath(t *testing.T) {
	rule, err := provider.ParseRule("https://api.example.com/v1")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/v1": true, "/v1/": true, "/v1/x": true, "/v1?x": true, "/v1/a.b/c-d_e~f:g@h": true, "//v1/x": true, "/%76%31/x": true, "/v1/a%20b": true, "/v1/.well-known": true,
		"/": false, "": false, "*": false, "/v1beta": false, "/V1": false, "/v2/v1": false, "/?/v1": false,
		"/v1/../admin": false, "/v1/%2e%2e/admin": false, "/v1/.%2E/admin": false, "/v1/..%2fadmin": false, "/v1%2f..%2fadmin": false, "/v1/./x": false,
		"/x/../v1": false, "/v1/..;/admin": false, "/v1/..;x=y/admin": false, "/v1/%252e%252e/admin": false, `/v1\..\admin`: false, "/v1/%5c..": false, "/v1/%zz": false, "/v1/%00": false, "/v1/%": false,
	} {
		if got := rule.Match("api.example.com", 443, path); got != want {
			t.Errorf("match of %q = %t, want %t", path, got, want)
		}
	}
}

func TestRuleHosts(t *testing.T) {
	for in, want := range map[string]string{
		"api.example.com":                  "api.example.com",
		"https://api.example.com:8443/v1":  "api.example.com",
		"*.example.com":                    "*.example.com",
		"https://[2001:db8::1]":            "2001:db8::1",
		`regex:^api[0-9]+\.example\.com$`:  "example.com *.example.com",
		`regex:(a|b)\.example\.(com|net)`:  "a.example.com a.example.net b.example.com b.example.net",
		`regex:.+pis\.api\.example\.com`:   "api.example.com *.api.example.com",
		`regex:(?i)API\.EXAMPLE\.COM`:      "api.example.com",
		`regex:(.*\.)?example\.com`:        "example.com *.example.com",
		`regex:[a-z]\.[a-z]\.example\.com`: "example.com *.example.com",
	} {
		rule, err := provider.ParseRule(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		got := map[string]bool{}
		for _, host := range rule.Hosts() {
			got[host] = true
		}
		for _, host := range strings.Fields(want) {
			if !got[host] {
				t.Errorf("Hosts of %s = %v, want %s", in, rule.Hosts(), want)
			}
			delete(got, host)
		}
		if len(got) > 0 {
			t.Errorf("Hosts of %s has %v too many", in, got)
		}
	}
}
