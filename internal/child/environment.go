package child

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// Settings is what one run puts into the table of Variables.
type Settings struct {
	ProxyURL   string // "http://127.0.0.1:PORT"
	BundlePath string // absolute path of the bundle, PEM
	RootPath   string // absolute path of the run's root, PEM

	// Absolute paths of further files of the run; "" where it has none. A path
	// that a variable can't hold counts as none.
	NodeShim   string // CommonJS module
	PythonShim string // folder with a sitecustomize.py
	JavaStore  string // PKCS #12 trust store without a password
	PHPFolder  string // folder with settings
	Wgetrc     string // wgetrc

	// GitProxies are the URLs for which the user's git has a proxy of its own.
	GitProxies []string

	// RoutedHosts are the hosts that must come through the proxy: exact names,
	// "*.example.com" for all below, or IP addresses.
	RoutedHosts []string
	// Placeholders are set by name, in place of real keys under those names.
	// A name of the table is left to the table.
	Placeholders map[string]string
	// Unset are further names the child must not inherit.
	Unset []string
}

// Environment returns base, an environment as of os.Environ, with the table of
// Variables, the placeholders and the removals of s applied. Everything else
// passes byte for byte and in order. Warnings are for the user: entries of
// NO_PROXY that had to go, and inherited values that could not be extended.
func Environment(base []string, s Settings) (env, warnings []string) {
	return environment(runtime.GOOS, base, s)
}

func environment(goos string, base []string, s Settings) (env, warnings []string) {
	b := &builder{goos: goos, settings: s, inherited: base, override: map[string]string{}}
	for _, name := range s.Unset {
		b.unset(name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Placeholders)) {
		b.placeholder(name, s.Placeholders[name])
	}
	for _, v := range Variables() {
		if len(v.OS) == 0 || slices.Contains(v.OS, goos) {
			b.apply(v)
		}
	}
	return b.environ(), b.warnings
}

// builder collects what replaces inherited variables; a name that is set twice
// keeps the later value.
type builder struct {
	goos      string
	settings  Settings
	inherited []string
	override  map[string]string // by folded name: the entry NAME=value, or "" to remove
	warnings  []string
	noProxy   *string // computed once, for all names of its kind
}

func (b *builder) set(name, value string) { b.override[b.fold(name)] = name + "=" + value }

func (b *builder) unset(name string) { b.override[b.fold(name)] = "" }

func (b *builder) apply(v Variable) {
	if !b.has(v.Kind) {
		return
	}
	for _, name := range v.Names {
		switch v.Kind {
		case Unset:
			b.unset(name)
		case GitConfig:
			b.appendGitConfig()
		default:
			b.set(name, b.value(v, name))
		}
	}
}

// has reports whether the run has what a kind stands for. A list can't hold a
// folder with its separator in the name.
func (b *builder) has(k Kind) bool {
	switch k {
	case NodeOptions, BunOptions:
		return b.settings.NodeShim != ""
	case PythonPath:
		return b.settings.PythonShim != "" && !strings.Contains(b.settings.PythonShim, b.listSeparator())
	case PHPFolder:
		return b.settings.PHPFolder != "" && !strings.Contains(b.settings.PHPFolder, b.listSeparator())
	case JavaOptions:
		return b.settings.JavaStore != ""
	case Wgetrc:
		return b.settings.Wgetrc != ""
	default:
		return true
	}
}

func (b *builder) value(v Variable, name string) string {
	switch v.Kind {
	case Proxy:
		return b.settings.ProxyURL
	case NoProxy:
		return b.noProxyValue()
	case Bundle:
		return b.settings.BundlePath
	case Root:
		return b.settings.RootPath
	case GODEBUG:
		return b.joined(name, ",", v.Value)
	case NodeOptions:
		return b.joined(name, " ", "--require "+quoted(b.settings.NodeShim))
	case BunOptions:
		return b.joined(name, " ", "--preload="+quoted(b.settings.NodeShim))
	case PythonPath:
		return b.before(name, b.settings.PythonShim)
	case JavaOptions:
		return b.joined(name, " ", b.javaOptions())
	case PHPFolder:
		return b.phpScanDir(name)
	case Wgetrc:
		return b.settings.Wgetrc
	default:
		return v.Value
	}
}

func (b *builder) noProxyValue() string {
	if b.noProxy == nil {
		upper, _ := b.lookup("NO_PROXY")
		lower, _ := b.lookup("no_proxy")
		value, warnings := noProxy(upper+","+lower, b.settings.RoutedHosts)
		b.noProxy, b.warnings = &value, append(b.warnings, warnings...)
	}
	return *b.noProxy
}

// placeholder refuses names no variable can have; provider definitions are
// checked elsewhere, but what they get wrong must not reach execve.
func (b *builder) placeholder(name, value string) {
	if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
		b.warnings = append(b.warnings, fmt.Sprintf("%.80q can't be the name of a variable, no placeholder set", name))
		return
	}
	b.set(name, value)
}

// lookup returns the inherited value of name; like getenv, the first one.
func (b *builder) lookup(name string) (string, bool) {
	for _, entry := range b.inherited {
		if n, value, ok := strings.Cut(entry, "="); ok && b.fold(n) == b.fold(name) {
			return value, true
		}
	}
	return "", false
}

func (b *builder) environ() []string {
	env := make([]string, 0, len(b.inherited)+len(b.override))
	for _, entry := range b.inherited {
		if _, replaced := b.override[b.fold(nameOf(entry))]; !replaced {
			env = append(env, entry)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.override)) {
		if entry := b.override[name]; entry != "" {
			env = append(env, entry)
		}
	}
	return env
}

// fold maps the spellings of one variable to one: Windows knows no case.
func (b *builder) fold(name string) string {
	if b.goos == "windows" {
		return strings.ToUpper(name)
	}
	return name
}

// nameOf returns what stands before the first "=" that is not the first byte:
// Windows has variables named "=C:".
func nameOf(entry string) string {
	if entry == "" {
		return ""
	}
	if i := strings.IndexByte(entry[1:], '='); i >= 0 {
		return entry[:i+1]
	}
	return entry
}
