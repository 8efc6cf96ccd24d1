package child

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func settings() Settings {
	return Settings{
		ProxyURL:   "http://127.0.0.1:4711",
		BundlePath: "/run/x/bundle.pem",
		RootPath:   "/run/x/ca.pem",
	}
}

// only returns the entries of env with one of names, in env's order.
func only(env []string, names ...string) []string {
	var got []string
	for _, e := range env {
		if slices.Contains(names, nameOf(e)) {
			got = append(got, e)
		}
	}
	return got
}

func TestEnvironmentTable(t *testing.T) {
	env, warnings := environment("linux", nil, settings())
	if len(warnings) != 0 {
		t.Error(warnings)
	}
	proxy, bundle, root := "http://127.0.0.1:4711", "/run/x/bundle.pem", "/run/x/ca.pem"
	want := map[string]string{
		"ALL_PROXY": proxy, "all_proxy": proxy, "HTTP_PROXY": proxy, "http_proxy": proxy, "HTTPS_PROXY": proxy, "https_proxy": proxy,
		"WS_PROXY": proxy, "ws_proxy": proxy, "WSS_PROXY": proxy, "wss_proxy": proxy, "grpc_proxy": proxy, "GRPC_PROXY": proxy,
		"NPM_CONFIG_PROXY": proxy, "npm_config_proxy": proxy, "NPM_CONFIG_HTTPS_PROXY": proxy, "npm_config_https_proxy": proxy,
		"CARGO_HTTP_PROXY": proxy, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.proxy", "GIT_CONFIG_VALUE_0": proxy,
		"NO_PROXY": "localhost,127.0.0.1,::1", "no_proxy": "localhost,127.0.0.1,::1",
		"NPM_CONFIG_NOPROXY": "localhost,127.0.0.1,::1", "npm_config_noproxy": "localhost,127.0.0.1,::1",
		"NODE_USE_ENV_PROXY": "1", "PERL_LWP_ENV_PROXY": "1", "MOJO_PROXY": "1",
		"SSL_CERT_FILE": bundle, "CURL_CA_BUNDLE": bundle, "REQUESTS_CA_BUNDLE": bundle, "PIP_CERT": bundle, "AWS_CA_BUNDLE": bundle,
		"GIT_SSL_CAINFO": bundle, "CARGO_HTTP_CAINFO": bundle, "HTTPLIB2_CA_CERTS": bundle, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": bundle,
		"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": bundle, "NIX_SSL_CERT_FILE": bundle, "PERL_LWP_SSL_CA_FILE": bundle,
		"COMPOSER_CAFILE": bundle, "BUNDLE_SSL_CA_CERT": bundle, "HEX_CACERTS_PATH": bundle, "CODEX_CA_CERTIFICATE": bundle,
		"CONDA_SSL_VERIFY": bundle, "JULIA_SSL_CA_ROOTS_PATH": bundle, "NPM_CONFIG_CAFILE": bundle, "npm_config_cafile": bundle,
		"NODE_EXTRA_CA_CERTS": root, "DENO_CERT": root, "AUTHSOME_PROXY_MODE": "true", "AUTHSOME_PROXY": proxy,
		"YARN_HTTP_PROXY": proxy, "YARN_HTTPS_PROXY": proxy, "PIP_PROXY": proxy,
	}
	got := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s is set twice", name)
		}
		got[name] = value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentInherits(t *testing.T) {
	base := []string{
		"PATH=/bin", "A=1", "A=2", "no equals sign", "", "=C:=x", "EMPTY=", "NL=a\nb", "BAD=\xff\xfe", "BIG=" + strings.Repeat("x", 1<<20),
		"SSLKEYLOGFILE=/tmp/keys", "SSL_CERT_DIR=/corp", "AUTHSOME_HOME=/h",
	}
	env, _ := environment("linux", base, settings())
	if diff := cmp.Diff(base, env[:len(base)]); diff != "" {
		t.Errorf("P024, T004: %s", diff)
	}
}

func TestEnvironmentReplaces(t *testing.T) {
	base := []string{
		"HTTPS_PROXY=http://corp:3128", "HTTPS_PROXY=http://corp2:3128", "ALL_PROXY=socks5://corp", "all_proxy=socks5h://corp",
		"FTP_PROXY=http://corp", "ftp_proxy=http://corp", "RSYNC_PROXY=corp:1", "PIP_PROXY=http://corp", "CLOUDSDK_PROXY_ADDRESS=corp", "no_grpc_proxy=alpha.test",
		"AUTHSOME_MASTER_KEY=canary-master", "OPENAI_API_KEY=canary-1", "OPENAI_API_KEY=canary-2", "OTHER_KEY=canary-3",
		"SSL_CERT_FILE=/corp.pem", "AUTHSOME_PROXY_MODE=no",
	}
	s := settings()
	s.Placeholders = map[string]string{"OPENAI_API_KEY": "authsome-proxy-managed", "GH_TOKEN": "authsome-proxy-managed"}
	s.Unset = []string{"OTHER_KEY", "NOT_THERE"}
	env, warnings := environment("linux", base, s)
	if len(warnings) != 0 {
		t.Error(warnings)
	}
	if joined := strings.Join(env, "\n"); strings.Contains(joined, "canary") || strings.Contains(joined, "corp") {
		t.Error("R066: an inherited value is left")
	}
	for _, name := range []string{"FTP_PROXY", "ftp_proxy", "RSYNC_PROXY", "CLOUDSDK_PROXY_ADDRESS", "no_grpc_proxy", "OTHER_KEY", "AUTHSOME_MASTER_KEY"} {
		if got := only(env, name); got != nil {
			t.Errorf("R066: %q, want it unset", got)
		}
	}
	want := []string{"ALL_PROXY=http://127.0.0.1:4711", "AUTHSOME_PROXY_MODE=true", "GH_TOKEN=authsome-proxy-managed",
		"HTTPS_PROXY=http://127.0.0.1:4711", "OPENAI_API_KEY=authsome-proxy-managed", "all_proxy=http://127.0.0.1:4711"}
	got := only(env, "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "OPENAI_API_KEY", "GH_TOKEN", "AUTHSOME_PROXY_MODE")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A definition must not aim a placeholder at what makes the run work, nor at
// what execve refuses.
func TestEnvironmentPlaceholderNames(t *testing.T) {
	s := settings()
	s.Placeholders = map[string]string{"HTTPS_PROXY": "p", "": "p", "A=B": "p", "N\x00": "p", "V": "p\x00"}
	env, warnings := environment("linux", nil, s)
	want, _ := environment("linux", nil, settings())
	if diff := cmp.Diff(want, env); diff != "" {
		t.Error(diff)
	}
	if len(warnings) != 4 {
		t.Errorf("warnings %q, want 4", warnings)
	}
}

func TestEnvironmentGitConfig(t *testing.T) {
	names := []string{"GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0", "GIT_CONFIG_KEY_2", "GIT_CONFIG_VALUE_2"}
	proxy := "http://127.0.0.1:4711"
	for _, tt := range []struct {
		name       string
		base, want []string
		warnings   int
	}{
		{"none", nil, []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.proxy", "GIT_CONFIG_VALUE_0=" + proxy}, 0},
		{"appended", []string{"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=a.b", "GIT_CONFIG_VALUE_0=c", "GIT_CONFIG_KEY_2=stale"},
			[]string{"GIT_CONFIG_KEY_0=a.b", "GIT_CONFIG_VALUE_0=c", "GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_2=http.proxy", "GIT_CONFIG_VALUE_2=" + proxy}, 0},
		{"empty count", []string{"GIT_CONFIG_COUNT="}, []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.proxy", "GIT_CONFIG_VALUE_0=" + proxy}, 0},
		{"no number", []string{"GIT_CONFIG_COUNT=x"}, []string{"GIT_CONFIG_COUNT=x"}, 1},
		{"negative", []string{"GIT_CONFIG_COUNT=-1"}, []string{"GIT_CONFIG_COUNT=-1"}, 1},
		{"huge", []string{"GIT_CONFIG_COUNT=9223372036854775807"}, []string{"GIT_CONFIG_COUNT=9223372036854775807"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env, warnings := environment("linux", tt.base, settings())
			if diff := cmp.Diff(tt.want, only(env, names...)); diff != "" {
				t.Error(diff)
			}
			if len(warnings) != tt.warnings {
				t.Errorf("warnings %q, want %d", warnings, tt.warnings)
			}
		})
	}
}

func TestEnvironmentOtherSystems(t *testing.T) {
	s := settings()
	s.Placeholders = map[string]string{"Gh_Token": "p"}
	base := []string{"Path=C:\\", "gh_token=canary", "https_Proxy=corp", "GODEBUG=a=1"}
	env, _ := environment("windows", base, s)
	want := []string{"Path=C:\\", "Gh_Token=p", "GODEBUG=a=1,x509sslcertoverrideplatform=1", "https_proxy=http://127.0.0.1:4711"}
	got := only(env, "Path", "gh_token", "Gh_Token", "GODEBUG", "https_Proxy", "https_proxy", "HTTPS_PROXY")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	env, _ = environment("darwin", nil, s)
	if diff := cmp.Diff([]string{"GODEBUG=x509sslcertoverrideplatform=1"}, only(env, "GODEBUG")); diff != "" {
		t.Error(diff)
	}
}

func TestVariables(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Variables() {
		if len(v.Names) == 0 || v.Why == "" || v.Kind == "" || v.Source == "" {
			t.Errorf("row %+v is not complete", v)
		}
		if needs := v.Kind == Literal || v.Kind == GODEBUG; needs != (v.Value != "") {
			t.Errorf("%v: kind %s with value %q", v.Names, v.Kind, v.Value)
		}
		for _, name := range v.Names {
			if seen[name] {
				t.Errorf("%s has two rows", name)
			}
			seen[name] = true
		}
	}
}

func TestNoProxy(t *testing.T) {
	const loopback = "localhost,127.0.0.1,::1"
	routed := []string{"api.alpha.test", "*.beta.test", "192.0.2.7"}
	for _, tt := range []struct {
		name, in, want string
		removed        []string
	}{
		{"R065_empty", "", loopback, nil},
		{"R065_unrelated_kept", "corp.example, .intra.example 10.0.0.0/8", "corp.example,.intra.example,10.0.0.0/8," + loopback, nil},
		{"R065_exact", "api.alpha.test", loopback, []string{"api.alpha.test"}},
		{"R065_case", "API.Alpha.TEST", loopback, []string{"API.Alpha.TEST"}},
		{"R065_trailing_dot", "api.alpha.test.", loopback, []string{"api.alpha.test."}},
		{"R065_parent", "alpha.test", loopback, []string{"alpha.test"}},
		{"R065_dotted_parent", ".alpha.test", loopback, []string{".alpha.test"}},
		{"R065_top_level", ".test", loopback, []string{".test"}},
		{"R065_text_suffix", "pha.test", loopback, []string{"pha.test"}},
		{"R065_star", "*", loopback, []string{"*"}},
		{"R065_star_parent", "*.alpha.test", loopback, []string{"*.alpha.test"}},
		{"R065_star_inside", "api.*.test", loopback, []string{"api.*.test"}},
		{"R065_port", "api.alpha.test:443", loopback, []string{"api.alpha.test:443"}},
		{"R065_below_wildcard", "x.beta.test", loopback, []string{"x.beta.test"}},
		{"R065_wildcard_base", "beta.test", loopback, []string{"beta.test"}},
		{"R065_address", "192.0.2.7", loopback, []string{"192.0.2.7"}},
		{"R065_network", "192.0.2.0/24", loopback, []string{"192.0.2.0/24"}},
		{"R065_other_network", "198.51.100.0/24", "198.51.100.0/24," + loopback, nil},
		{"R065_sibling_kept", "www.alpha.test,xbeta.test", "www.alpha.test,xbeta.test," + loopback, nil},
		{"R065_below_exact_kept", "x.api.alpha.test", "x.api.alpha.test," + loopback, nil},
		{"R065_duplicates", "a.example,a.example,localhost", "a.example,localhost,127.0.0.1,::1", nil},
		{"R065_separators", ",, ,\t,a.example,,", "a.example," + loopback, nil},
		{"brackets_removed", "[::1],[2001:db8::1]", "::1,2001:db8::1,localhost,127.0.0.1", nil},
		{"bracket_port", "[::1]:8080", loopback, []string{"[::1]:8080"}},
		{"IPv6_network", "2001:db8::/32,fd00::/8", loopback, []string{"2001:db8::/32", "fd00::/8"}},
		{"warned_once", "alpha.test,alpha.test", loopback, []string{"alpha.test"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings := noProxy(tt.in, routed)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(warnings) != len(tt.removed) {
				t.Fatalf("warnings %q, want one for each of %q", warnings, tt.removed)
			}
			for i, entry := range tt.removed {
				if !strings.Contains(warnings[i], fmt.Sprintf("%q", entry)) {
					t.Errorf("warning %q does not name %q", warnings[i], entry)
				}
			}
		})
	}
}

func TestNoProxyNamesHost(t *testing.T) {
	_, warnings := noProxy(".alpha.test", []string{"api.alpha.test"})
	want := []string{`NO_PROXY entry ".alpha.test" left out: it would let api.alpha.test bypass the proxy`}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
}

// A routed loopback host must not be excluded by our own entries.
func TestNoProxyRoutedLoopback(t *testing.T) {
	got, warnings := noProxy("", []string{"127.0.0.1"})
	if got != "localhost,::1" || len(warnings) != 0 {
		t.Errorf("got %q, %q", got, warnings)
	}
}

func TestNoProxySpellingsMerged(t *testing.T) {
	env, _ := environment("linux", []string{"NO_PROXY=a.example", "no_proxy=b.example"}, settings())
	want := []string{"NO_PROXY=a.example,b.example,localhost,127.0.0.1,::1", "no_proxy=a.example,b.example,localhost,127.0.0.1,::1"}
	if diff := cmp.Diff(want, only(env, "NO_PROXY", "no_proxy")); diff != "" {
		t.Error(diff)
	}
}

// Whatever the entries, no kept one is a suffix of a routed host, and none
// crashes httpx.
func FuzzNoProxy(f *testing.F) {
	for _, s := range []string{"*", ".alpha.test", "[::1]", "::/0", "api.alpha.test:443", "a b,c\td", "[", "*.", "test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, _ := noProxy(in, []string{"api.alpha.test", "*.beta.test"})
		for entry := range strings.SplitSeq(got, ",") {
			bare := strings.TrimSuffix(strings.TrimLeft(strings.ToLower(entry), "*."), ".")
			if bare != "" && (strings.HasSuffix("api.alpha.test", bare) || strings.HasSuffix("x.beta.test", bare)) {
				t.Fatalf("%q kept %q", in, entry)
			}
			if strings.HasPrefix(entry, "[") || strings.Contains(entry, "::/") {
				t.Fatalf("%q kept %q", in, entry)
			}
		}
	})
}

func BenchmarkEnvironment(b *testing.B) {
	var base []string
	for i := range 100 {
		base = append(base, fmt.Sprintf("VARIABLE_%d=value", i))
	}
	s := settings()
	for i := range 100 {
		s.RoutedHosts = append(s.RoutedHosts, fmt.Sprintf("api%d.alpha.test", i))
	}
	for b.Loop() {
		Environment(base, s)
	}
}
