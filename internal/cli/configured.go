package cli

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"authsome/internal/ca"
	"authsome/internal/child"
)

// program is a program with a configuration file of its own, where settings
// may stand that a run has to know of. Keys are in lower case.
type program struct {
	name  string
	files []string // below HOME, in slashes
	// trust are the keys that name certificates: a run's variables replace
	// them, so they belong into the run's bundle.
	trust []string
	// defeats are the keys that no variable overrides: with them the program
	// does not use the run's proxy, or does not trust its certificates.
	defeats []string
}

func programs() []program {
	return []program{
		{name: "curl", files: []string{".curlrc", ".config/curlrc"},
			defeats: []string{"proxy", "x", "noproxy", "preproxy", "proxy1.0", "socks4", "socks4a", "socks5", "socks5-hostname", "cacert", "capath"}},
		{name: "git", files: []string{".gitconfig", ".config/git/config"}, trust: []string{"sslcainfo"}},
		{name: "npm", files: []string{".npmrc"}, trust: []string{"cafile"}},
		{name: "pip", files: []string{".config/pip/pip.conf", ".pip/pip.conf"}, trust: []string{"cert"}},
		{name: "cargo", files: []string{".cargo/config.toml", ".cargo/config"}, trust: []string{"cainfo"}},
		{name: "aws", files: []string{".aws/config"}, trust: []string{"ca_bundle"}},
		{name: "conda", files: []string{".condarc"}, trust: []string{"ssl_verify"}, defeats: []string{"http", "https"}},
		{name: "yarn", files: []string{".yarnrc.yml"}, defeats: []string{"httpscafilepath", "cafilepath"}},
		{name: "gem", files: []string{".gemrc"}, defeats: []string{"http_proxy", "ssl_ca_cert"}},
		{name: "gradle", files: []string{".gradle/gradle.properties"}, defeats: []string{"systemprop.https.proxyhost", "systemprop.javax.net.ssl.truststore"}},
		{name: "gcloud", files: []string{".config/gcloud/configurations/config_default"}, defeats: []string{"address"}},
	}
}

// setting is one line of a configuration file.
type setting struct {
	section, key, value string // section and key as written, key in lower case
	line                int
}

// maxConfigFile is far above what anybody writes by hand.
const maxConfigFile = 1 << 20

// readSettings reads the lines "key = value", "key: value" and "key value"
// below "[section]", which is what ini, TOML, rc and simple YAML files have in
// common. What is not there or can't be read has none.
func readSettings(path string) []setting {
	var all []setting
	section := ""
	for i, line := range strings.Split(readConfig(path), "\n") {
		line = strings.TrimSpace(line)
		if inner, ok := strings.CutPrefix(line, "["); ok {
			inner, _, _ = strings.Cut(inner, "]")
			section = strings.TrimSpace(inner)
			continue
		}
		line = strings.TrimLeft(line, "-:") // options of curl, symbols of Ruby
		end := strings.IndexAny(line, " \t=:")
		if end <= 0 || line[0] == '#' || line[0] == ';' {
			if end < 0 && line != "" {
				all = append(all, setting{section, strings.ToLower(line), "", i + 1})
			}
			continue
		}
		value := strings.Trim(strings.TrimLeft(line[end:], " \t=:"), " \t\"'")
		all = append(all, setting{section, strings.ToLower(line[:end]), value, i + 1})
	}
	return all
}

// readConfig reads a regular file of bounded size.
func readConfig(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, maxConfigFile))
	return string(data)
}

// configFiles are the files of p in the user's home.
func (a *app) configFiles(p program) []string {
	home := a.getenv(homeVariable)
	if home == "" {
		return nil
	}
	var paths []string
	for _, file := range p.files {
		paths = append(paths, filepath.Join(home, filepath.FromSlash(file)))
	}
	return paths
}

// userBundles is the PEM of the certificates that the user's own variables and
// the configuration of programs name: a corporate root has to go on working.
func (a *app) userBundles() []byte {
	var paths []string
	for _, name := range child.TrustNames() {
		paths = append(paths, a.getenv(name))
	}
	paths = append(paths, filepath.SplitList(a.getenv("SSL_CERT_DIR"))...)
	paths = append(paths, a.configuredRoots()...)
	slices.Sort(paths)
	paths = slices.DeleteFunc(slices.Compact(paths), func(path string) bool { return path == "" || ca.IsSystem(path) })
	pem, err := ca.ReadRoots(paths...)
	if err != nil {
		a.log.Debug("certificates of the environment", "error", err)
	}
	return pem
}

// configuredRoots are the files of certificates that the configuration of
// programs names.
func (a *app) configuredRoots() []string {
	var paths []string
	for _, p := range programs() {
		if len(p.trust) == 0 {
			continue
		}
		for _, file := range a.configFiles(p) {
			for _, s := range readSettings(file) {
				if slices.Contains(p.trust, s.key) {
					paths = append(paths, a.expandHome(s.value))
				}
			}
		}
	}
	return paths
}

func (a *app) expandHome(path string) string {
	for _, prefix := range []string{"~/", "${HOME}/", "$HOME/"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return filepath.Join(a.getenv(homeVariable), rest)
		}
	}
	return path
}

// gitProxies are the URLs for which the user's git has a proxy of its own.
func (a *app) gitProxies() []string {
	home := a.getenv(homeVariable)
	files := []string{"/etc/gitconfig", filepath.Join(home, ".gitconfig"), filepath.Join(home, ".config", "git", "config")}
	if xdg := a.getenv("XDG_CONFIG_HOME"); xdg != "" {
		files = append(files, filepath.Join(xdg, "git", "config"))
	}
	var urls []string
	for _, file := range files {
		for _, s := range readSettings(file) {
			name, quoted, ok := strings.Cut(s.section, " ")
			if ok && strings.EqualFold(name, "http") && s.key == "proxy" {
				urls = append(urls, strings.Trim(quoted, "\" \t"))
			}
		}
	}
	return urls
}

// checkConfiguration names settings that keep a program from the run, and that
// no variable overrides.
func (a *app) checkConfiguration() check {
	found := a.defeats(func(string) bool { return true })
	if len(found) == 0 {
		return check{Name: "configuration", OK: true, Detail: "nothing in the home folder keeps a program from a run"}
	}
	return configurationCheck(found)
}
