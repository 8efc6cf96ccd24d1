package cli

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseProxy(t *testing.T) {
	type proxy struct{ Scheme, Host, User, Password string }
	for value, want := range map[string]proxy{
		"proxy:3128":                         {"http", "proxy", "", ""},
		"HTTP://proxy.corp.example:3128/":    {"http", "proxy.corp.example", "", ""},
		"https://proxy.corp.example":         {"https", "proxy.corp.example", "", ""},
		"socks5h://[::1]:1080":               {"socks5h", "::1", "", ""},
		"10.0.0.1:8080":                      {"http", "10.0.0.1", "", ""},
		"user:secret@proxy:1":                {"http", "proxy", "user", "secret"},
		"http://us%40er:p%3A%2F%25@proxy:1":  {"http", "proxy", "us@er", "p:/%"},
		"http://user:p@ss:w^rd\"@proxy:1":    {"http", "proxy", "user", "p@ss:w^rd\""},
		"http://user:@proxy:1":               {"http", "proxy", "user", ""},
		"http://user@proxy:1":                {"http", "proxy", "user", ""},
		"http://:secret@proxy:1":             {"http", "proxy", "", "secret"},
		"http://DOM%5Cuser:gr%C3%BCn@proxy":  {"http", "proxy", `DOM\user`, "grün"},
		"http://user:grün@proxy":             {"http", "proxy", "user", "grün"},
		"socks5://user:a%20b@proxy.corp:999": {"socks5", "proxy.corp", "user", "a b"},
	} {
		t.Run(value, func(t *testing.T) {
			u, err := parseProxy(value)
			if err != nil {
				t.Fatal(err)
			}
			got := proxy{Scheme: u.Scheme, Host: u.Hostname(), User: u.User.Username()}
			got.Password, _ = u.User.Password()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if again, err := parseProxy(u.String()); err != nil || again.String() != u.String() {
				t.Errorf("%s reads as %v, %v", u, again, err)
			}
		})
	}
}

func TestParseProxyRefuses(t *testing.T) {
	for value, reason := range map[string]string{
		"ftp://u:hunter2@proxy":          "scheme",
		"socks4://u:hunter2@proxy":       "socks4",
		"socks4a://proxy":                "socks4a",
		"socks://proxy":                  "socks5h",
		"http://u:hun#ter2@proxy":        "percent-encoded",
		"http://u:hun/ter2@proxy:1":      "percent-encoded",
		"http://u:hun?ter2@proxy:1":      "percent-encoded",
		"http://proxy/path":              "follows",
		"http://proxy?pac=1":             "follows",
		"http://u:hunter2%zz@proxy":      "%25",
		"http://u:hunter2%0a@proxy":      "control",
		"http://u%3Ax:hunter2@proxy":     "colon",
		"socks5://:hunter2@proxy":        "1 to 255",
		"http://u:hunter2@":              "host",
		"http://":                        "host",
		"http://u:hunter2@proxy:0":       "port",
		"http://u:hunter2@proxy:65536":   "port",
		"http://proxy:":                  "HOST:PORT",
		"http://u:hunter2@proxy:31x":     "",
		"http://u:hunter2@pro xy":        "host",
		"http://u:hunter2@[::1":          "",
		"http://u:hunter2@::1":           "",
		"http://u:hunter2@[proxy]:1":     "",
		"http://u:hunter2@\u202eproxy":   "host",
		"http://u:hunter2@proxy\r\nX: y": "",
	} {
		t.Run(value, func(t *testing.T) {
			u, err := parseProxy(value)
			if err == nil {
				t.Fatalf("%s was accepted", u.Redacted())
			}
			if !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "hun") {
				t.Errorf("%q", err)
			}
		})
	}
}

// FuzzProxy: whatever is accepted prints to something that reads the same, and
// names one host.
func FuzzProxy(f *testing.F) {
	for _, seed := range []string{"proxy:3128", "http://u:p%40@[::1]:80/", "socks5h://a:b@c", "http://a@b@c", "https://x:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseProxy(s)
		if err != nil {
			return
		}
		again, err := parseProxy(u.String())
		if err != nil || again.String() != u.String() || again.Hostname() == "" {
			t.Fatalf("%q is %q, which is %v, %v", s, u, again, err)
		}
		if parsed, err := url.Parse(u.String()); err != nil || parsed.Hostname() != u.Hostname() || parsed.Port() != u.Port() {
			t.Fatalf("%q is %q, for net/url %v, %v", s, u, parsed, err)
		}
	})
}

func TestParentProxy(t *testing.T) {
	const a, b, c, d = "http://a:1", "http://b:2", "http://c:3", "http://d:4"
	for _, test := range []struct {
		name        string
		env         []string
		http, https string
	}{
		{"none", nil, "", ""},
		{"empty", []string{"HTTPS_PROXY=", "http_proxy= "}, "", ""},
		{"lower_wins", []string{"HTTPS_PROXY=" + a, "https_proxy=" + b, "HTTP_PROXY=" + c, "http_proxy=" + d}, d, b},
		{"empty_lower", []string{"HTTPS_PROXY=" + a, "https_proxy="}, "", a},
		{"http_is_not_https", []string{"HTTP_PROXY=" + a}, a, ""},
		{"all", []string{"ALL_PROXY=" + a}, a, a},
		{"all_lower", []string{"ALL_PROXY=" + a, "all_proxy=" + b}, b, b},
		{"all_last", []string{"ALL_PROXY=" + a, "HTTPS_PROXY=" + b}, a, b},
		{"cgi", []string{"REQUEST_METHOD=GET", "HTTP_PROXY=" + a, "HTTPS_PROXY=" + b}, "", b},
		{"cgi_lower", []string{"REQUEST_METHOD=GET", "HTTP_PROXY=" + a, "http_proxy=" + b}, b, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			find, err := (&app{sys: System{Environ: test.env}}).parentProxy()
			if err != nil {
				t.Fatal(err)
			}
			for scheme, want := range map[string]string{"http": test.http, "https": test.https} {
				u, err := find("api.example.com", 443, scheme)
				got := ""
				if u != nil {
					got = u.String()
				}
				if err != nil || got != want {
					t.Errorf("%s: %q, %v, want %q", scheme, got, err, want)
				}
			}
		})
	}
}

// A bad value names its variable, says what to do, and shows no password. A
// variable that another one overrides does not matter.
func TestParentProxyRefuses(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		_, err := (&app{sys: System{Environ: []string{name + "=http://user:hunter2#@proxy:1"}}}).parentProxy()
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error()+classify(err).hint, "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&app{sys: System{Environ: []string{"HTTPS_PROXY=ftp://x", "https_proxy=proxy:1"}}}).parentProxy(); err != nil {
		t.Error(err)
	}
}

// The forms of NO_PROXY, by the rules of golang.org/x/net/http/httpproxy.
func TestExemptions(t *testing.T) {
	for _, test := range []struct{ value, in, out string }{
		{"example.com", "example.com api.example.com a.b.example.com", "notexample.com example.com.evil.test example.org"},
		{".example.com", "api.example.com", "example.com notexample.com"}, // curl 7.86 and later: example.com too
		{"*.example.com", "api.example.com", "example.com"},
		{"EXAMPLE.com", "example.com", ""},
		{"example.com.", "example.com api.example.com", ""},
		{"*", "example.com 203.0.113.7 ::1", ""},
		{"example.com:8443", "example.com@8443", "example.com"},
		{"203.0.113.7", "203.0.113.7", "203.0.113.70 203.0.113.8"},
		{"203.0.113.7:8443", "203.0.113.7@8443", "203.0.113.7"},
		{"203.0.113.0/24", "203.0.113.7 203.0.113.255", "203.0.114.1 example.com"},
		{"2001:db8::1", "2001:db8::1", "2001:db8::2"},
		{"[2001:db8::1]", "2001:db8::1", "2001:db8::2"},
		{"[2001:db8::1]:8443", "2001:db8::1@8443", "2001:db8::1"},
		{"2001:db8::/32", "2001:db8:1::1", "2001:db9::1"},
		{"a.test, b.test\tc.test\n,,d.test", "a.test b.test c.test d.test", "e.test"},
		{"", "localhost 127.0.0.1 127.8.8.8 ::1", "example.com 10.0.0.1"}, // loopback never has a proxy; for curl it has
		{"ex*mple.com", "", "example.com"},
		{"/etc, %, [::1, http://example.com", "", "example.com"},
	} {
		t.Run(test.value, func(t *testing.T) {
			exempt := exemptions(test.value)
			for want, hosts := range map[bool]string{true: test.in, false: test.out} {
				for _, host := range strings.Fields(hosts) {
					port := uint16(443)
					if rest, ok := strings.CutSuffix(host, "@8443"); ok {
						host, port = rest, 8443
					}
					if exempt(host, port) != want {
						t.Errorf("%s:%d: %t", host, port, !want)
					}
				}
			}
		})
	}
}

// T030: the environment of a run that is gone is an error at the start, not
// one at each request.
func TestOuterT030(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	env := []string{"AUTHSOME_PROXY_MODE=true", caVariable + "=" + ca, "HTTPS_PROXY=http://" + address}
	check := func(env []string) (bool, error) {
		_, nested, err := (&app{sys: System{Environ: env}}).wayOut()
		return nested, err
	}
	if nested, err := check(env); !nested || err != nil {
		t.Errorf("alive: %t, %v", nested, err)
	}
	if nested, err := check(env[1:]); nested || err != nil {
		t.Errorf("a loopback proxy outside of a run: %t, %v", nested, err)
	}
	if _, err := check([]string{env[0], caVariable + "=" + ca + ".gone", env[2]}); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("files gone: %v", err)
	}
	_ = listener.Close()
	if _, err := check(env); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("port gone: %v", err)
	}
}
