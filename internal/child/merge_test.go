package child

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withFiles are settings of a run that has all files.
func withFiles() Settings {
	s := settings()
	s.NodeShim, s.PythonShim, s.PHPFolder = "/run/x/shim.cjs", "/run/x/py", "/run/x/php"
	s.JavaStore, s.Wgetrc = "/run/x/trust.p12", "/run/x/wgetrc"
	return s
}

const javaBasic = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=4711 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4711 " +
	"-Dhttp.nonProxyHosts=localhost|*.localhost|127.*|[::1] -Djavax.net.ssl.trustStore=/run/x/trust.p12 -Djavax.net.ssl.trustStoreType=PKCS12"

// TestMerge: what the user has in a variable that can hold more stays in it.
func TestMerge(t *testing.T) {
	const node, bun = "--require /run/x/shim.cjs", "--preload=/run/x/shim.cjs"
	for _, tt := range []struct{ name, inherited, want string }{
		{"NODE_OPTIONS", "-", node},
		{"NODE_OPTIONS", "", node},
		{"NODE_OPTIONS", "--max-old-space-size=4096", "--max-old-space-size=4096 " + node},
		{"NODE_OPTIONS", `--require "/a b/c.js"`, `--require "/a b/c.js" ` + node},
		{"BUN_OPTIONS", "-", bun},
		{"BUN_OPTIONS", "--smol", "--smol " + bun},
		{"PYTHONPATH", "-", "/run/x/py"},
		{"PYTHONPATH", "", "/run/x/py"},
		{"PYTHONPATH", "/a:/b", "/run/x/py:/a:/b"},
		{"PHP_INI_SCAN_DIR", "-", ":/run/x/php"},
		{"PHP_INI_SCAN_DIR", "", "/run/x/php"},
		{"PHP_INI_SCAN_DIR", "/a:", "/a::/run/x/php"},
		{"JAVA_TOOL_OPTIONS", "-", javaBasic},
		{"JAVA_TOOL_OPTIONS", "-Xmx1g", "-Xmx1g " + javaBasic},
		{"WGETRC", "/home/me/wgetrc", "/run/x/wgetrc"}, // whose lines are in it
	} {
		t.Run(tt.name+" "+tt.inherited, func(t *testing.T) {
			var base []string
			if tt.inherited != "-" {
				base = append(base, tt.name+"="+tt.inherited)
			}
			env, warnings := environment("linux", base, withFiles())
			if diff := cmp.Diff([]string{tt.name + "=" + tt.want}, only(env, tt.name)); diff != "" || len(warnings) != 0 {
				t.Error(diff, warnings)
			}
		})
	}
}

// A run without a file leaves the variable alone.
func TestMergeWithoutFiles(t *testing.T) {
	base := []string{"NODE_OPTIONS=a", "BUN_OPTIONS=b", "PYTHONPATH=c", "PHP_INI_SCAN_DIR=d", "JAVA_TOOL_OPTIONS=e", "WGETRC=f"}
	names := []string{"NODE_OPTIONS", "BUN_OPTIONS", "PYTHONPATH", "PHP_INI_SCAN_DIR", "JAVA_TOOL_OPTIONS", "WGETRC"}
	env, _ := environment("linux", base, settings())
	if diff := cmp.Diff(base, only(env, names...)); diff != "" {
		t.Error(diff)
	}
	s := withFiles()
	s.PythonShim, s.PHPFolder = "/run:x/py", "/run:x/php" // which no list can hold
	env, _ = environment("linux", base[2:4], s)
	if diff := cmp.Diff(base[2:4], only(env, "PYTHONPATH", "PHP_INI_SCAN_DIR")); diff != "" {
		t.Error(diff)
	}
}

func TestMergeQuotes(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{"/run/x/shim.cjs", "/run/x/shim.cjs"},
		{"/a b/shim.cjs", `"/a b/shim.cjs"`},
		{`C:\a\shim.cjs`, `"C:\\a\\shim.cjs"`},
		{`/a"b/shim.cjs`, `"/a\"b/shim.cjs"`},
	} {
		if got := quoted(tt.path); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestMergeWindows(t *testing.T) {
	s := withFiles()
	s.PythonShim, s.PHPFolder = `C:\run\py`, `C:\run\php`
	env, _ := environment("windows", []string{`PythonPath=C:\a`}, s)
	want := []string{
		"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_1=http.schannelUseSSLCAInfo", "GIT_CONFIG_VALUE_1=true",
		`PHP_INI_SCAN_DIR=;C:\run\php`, `PYTHONPATH=C:\run\py;C:\a`,
	}
	if diff := cmp.Diff(want, only(env, "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_1", "GIT_CONFIG_VALUE_1", "PYTHONPATH", "PHP_INI_SCAN_DIR", "WGETRC")); diff != "" {
		t.Error(diff)
	}
}

// Java sends no password to a proxy: it gets the store only.
func TestMergeJavaPassword(t *testing.T) {
	s := withFiles()
	s.ProxyURL = "http://authsome:secret@127.0.0.1:4711"
	env, _ := environment("darwin", nil, s)
	want := []string{"JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=/run/x/trust.p12 -Djavax.net.ssl.trustStoreType=PKCS12"}
	if diff := cmp.Diff(want, only(env, "JAVA_TOOL_OPTIONS")); diff != "" {
		t.Error(diff)
	}
}

func TestJavaHosts(t *testing.T) {
	got := javaHosts("corp.example,.intra.example,10.0.0.0/8,host:8080,2001:db8::1,localhost,127.0.0.1,::1")
	want := "corp.example|*.corp.example|intra.example|*.intra.example|host|*.host|[2001:db8::1]|localhost|*.localhost|127.*|[::1]"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestGitProxies: a proxy that the user's git has for one URL is overridden
// where the URL is routed, and stays where it is not.
func TestGitProxies(t *testing.T) {
	s := settings()
	s.RoutedHosts = []string{"github.com", "*.gitlab.test"}
	s.GitProxies = []string{"https://github.com", "https://git.corp.example/", "https://*.gitlab.test:443/group", "::bad::"}
	env, warnings := environment("linux", []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=a.b", "GIT_CONFIG_VALUE_0=c"}, s)
	var want, names []string
	for i, key := range []string{"a.b", "http.proxy", "http.https://github.com.proxy", "http.https://*.gitlab.test:443/group.proxy"} {
		want = append(want, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, key))
		names = append(names, nameOf(want[i]))
	}
	if diff := cmp.Diff(want, only(env, names...)); diff != "" || len(warnings) != 0 {
		t.Error(diff, warnings)
	}
	if got := only(env, "GIT_CONFIG_COUNT"); got[0] != "GIT_CONFIG_COUNT=4" {
		t.Error(got)
	}
}

// TestTrustNames: the variables that name certificates, and no other.
func TestTrustNames(t *testing.T) {
	names := strings.Join(TrustNames(), " ")
	for _, name := range []string{"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "npm_config_cafile"} {
		if !strings.Contains(names, name) {
			t.Errorf("%s is not in %s", name, names)
		}
	}
	if strings.Contains(names, "GODEBUG") {
		t.Error("GODEBUG names no certificates")
	}
}
