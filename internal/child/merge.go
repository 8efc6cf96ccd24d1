package child

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// joined returns value after what name has inherited.
func (b *builder) joined(name, separator, value string) string {
	if old, ok := b.lookup(name); ok && old != "" {
		return old + separator + value
	}
	return value
}

// before returns value in front of the list that name has inherited. An empty
// entry would be the working folder.
func (b *builder) before(name, value string) string {
	if old, ok := b.lookup(name); ok && old != "" {
		return value + b.listSeparator() + old
	}
	return value
}

// phpScanDir keeps the folders PHP would scan: an empty entry stands for its
// own, and an empty value for none.
func (b *builder) phpScanDir(name string) string {
	old, ok := b.lookup(name)
	if ok && old == "" {
		return b.settings.PHPFolder
	}
	return old + b.listSeparator() + b.settings.PHPFolder
}

func (b *builder) listSeparator() string {
	if b.goos == "windows" {
		return ";"
	}
	return ":"
}

// quoted is path as a word of NODE_OPTIONS and its like, which take double
// quotes with backslashes inside.
func quoted(path string) string {
	if !strings.ContainsAny(path, " \t\"'\\") {
		return path
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// javaOptions are system properties. Java has no variable for a proxy, and
// sends no password to one when it opens a tunnel: then it stays without.
func (b *builder) javaOptions() string {
	var options []string
	if u, err := url.Parse(b.settings.ProxyURL); err == nil && u.User == nil {
		for _, scheme := range []string{"http", "https"} {
			options = append(options, "-D"+scheme+".proxyHost="+u.Hostname(), "-D"+scheme+".proxyPort="+u.Port())
		}
		options = append(options, "-Dhttp.nonProxyHosts="+javaHosts(b.noProxyValue()))
	}
	// The JVM takes quotes as they come, and no backslash for an escape.
	store := b.settings.JavaStore
	if strings.ContainsAny(store, " \t") {
		store = `"` + store + `"`
	}
	options = append(options, "-Djavax.net.ssl.trustStore="+store, "-Djavax.net.ssl.trustStoreType=PKCS12")
	return strings.Join(options, " ")
}

// javaHosts is a NO_PROXY value as patterns of http.nonProxyHosts, which know
// neither networks nor domains.
func javaHosts(noProxy string) string {
	var patterns []string
	for entry := range strings.SplitSeq(noProxy, ",") {
		switch {
		case entry == "127.0.0.1":
			patterns = append(patterns, "127.*")
		case strings.Contains(entry, "/"):
		case strings.Count(entry, ":") > 1:
			patterns = append(patterns, "["+entry+"]")
		default:
			name := strings.TrimLeft(withoutPort(entry), ".")
			patterns = append(patterns, name, "*."+name)
		}
	}
	return strings.Join(patterns, "|")
}

// gitSettings are pairs of a git setting and its value. The most specific
// http.<url>.proxy counts for git, so those of routed hosts are set, too.
func (b *builder) gitSettings() [][2]string {
	pairs := [][2]string{{"http.proxy", b.settings.ProxyURL}}
	for _, at := range b.settings.GitProxies {
		u, err := url.Parse(at)
		if err == nil && bypassed(u.Hostname(), b.settings.RoutedHosts) != "" {
			pairs = append(pairs, [2]string{"http." + at + ".proxy", b.settings.ProxyURL})
		}
	}
	if b.goos == "windows" { // schannel looks at neither the bundle nor a root without revocation list
		pairs = append(pairs, [2]string{"http.schannelUseSSLCAInfo", "true"}, [2]string{"http.schannelCheckRevoke", "false"})
	}
	return pairs
}

// maxGitConfig is more settings than anybody has in variables.
const maxGitConfig = 1 << 16

// appendGitConfig adds pairs after the user's own, so that they win over them
// and over every configuration file. git refuses to run on a count that is no
// number; that stays the user's to see.
func (b *builder) appendGitConfig() {
	old, ok := b.lookup("GIT_CONFIG_COUNT")
	n, err := strconv.Atoi(old)
	if ok && old != "" && (err != nil || n < 0 || n > maxGitConfig) {
		b.warnings = append(b.warnings, fmt.Sprintf("GIT_CONFIG_COUNT is %.80q: git may not use the proxy", old))
		return
	}
	for _, pair := range b.gitSettings() {
		b.set(fmt.Sprintf("GIT_CONFIG_KEY_%d", n), pair[0])
		b.set(fmt.Sprintf("GIT_CONFIG_VALUE_%d", n), pair[1])
		n++
	}
	b.set("GIT_CONFIG_COUNT", strconv.Itoa(n))
}
