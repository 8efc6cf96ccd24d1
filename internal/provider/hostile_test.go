package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"authsome/internal/provider"
)

// apiKeyDef is a definition of an API key with its host_url and further
// members, both JSON.
func apiKeyDef(hosts, more string) string {
	return `{"name":"acme","display_name":"Acme","auth_type":"api_key","flow":"api_key","host_url":` + hosts + more + `}`
}

// oauthDef is a definition with the members of its oauth block.
func oauthDef(hosts, oauth string) string {
	return `{"name":"acme","display_name":"Acme","auth_type":"oauth2","flow":"pkce","host_url":` + hosts + `,"oauth":{` + oauth + `}}`
}

// refuse asserts that data has a problem at path whose text holds want.
func refuse(t *testing.T, data, path, want string) {
	t.Helper()
	def, _, err := provider.Parse([]byte(data))
	var invalid *provider.Invalid
	if !errors.As(err, &invalid) {
		t.Errorf("accepted: %v %v", def, cut(data))
		return
	}
	for _, p := range invalid.Problems {
		if p.Path == path && strings.Contains(p.Message, want) && p.Line >= 1 && p.Column >= 1 {
			return
		}
	}
	t.Errorf("no problem %q at %q: %v", want, path, err)
}

// js writes s as a JSON string.
func js(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(quoted)
}

func cut(s string) string { return s[:min(len(s), 300)] }

func TestHostile(t *testing.T) {
	t.Run("D001_names", func(t *testing.T) {
		for _, name := range []string{"../../x", "a/b", `a\b`, "a:b", ".hidden", "CON", "con", "nul.x", "com1", strings.Repeat("a", 300), "", "bücher", "a.", "A", "-x", "_x",
			"a\n", "a b", "a..b", "a\x00", "a\u202eb", strings.Repeat("a", 65)} {
			refuse(t, `{"name":`+js(name)+`,"display_name":"X","auth_type":"api_key","flow":"api_key"}`, "name", "")
			if _, err := load(t, t.TempDir()).Get(name); !errors.Is(err, provider.ErrUnknown) {
				t.Errorf("Get(%q): %v", name, err)
			}
		}
		for _, name := range []string{"a", "0", "a.b-c_d", "console", "com10", strings.Repeat("a", 64)} {
			parse(t, `{"name":"`+name+`","display_name":"X","auth_type":"api_key","flow":"api_key"}`)
		}
	})
	t.Run("D003_hosts", func(t *testing.T) {
		for host, want := range refused {
			if _, err := provider.ParseRule(host); err != nil {
				refuse(t, apiKeyDef(`["ok.example.com",`+js(host)+`]`, ""), "host_url[1]", want)
				refuse(t, apiKeyDef(js(host), ""), "host_url", want)
			}
		}
	})
	t.Run("D005_headers", func(t *testing.T) {
		for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Cookie", "Proxy-Authorization", ":authority", "X\r\nY", "", "x y", "ключ"} {
			quoted := js(name)
			refuse(t, apiKeyDef(`"a.example.com"`, `,"api_key":{"header_name":`+quoted+`}`), "api_key.header_name", "")
			refuse(t, apiKeyDef(`"a.example.com"`, `,"inject":[{"kind":"header","name":`+quoted+`,"value":"{api_key}"}]`), "inject[0]", "")
		}
		for _, prefix := range []string{"Bearer\r\nX: y", "Bea{rer", "{api_key}", "\x00", "Bearer\n", strings.Repeat("x", 65), "é"} {
			data := apiKeyDef(`"a.example.com"`, `,"api_key":{"header_prefix":`+js(prefix)+`}`)
			if _, _, err := provider.Parse([]byte(data)); err == nil {
				t.Errorf("header_prefix %q is accepted", prefix)
			}
		}
	})
	t.Run("D007_text", hostileText)
	t.Run("D008_urls", hostileURLs)
	t.Run("D009_base_url", hostileBaseURL)
	t.Run("D010_key_pattern", hostileKeyPattern)
	t.Run("D011_regex_bombs", hostileRegex)
	t.Run("D012_json", hostileJSON)
	t.Run("D013_folder", hostileFolder)
	t.Run("D014_working_directory", func(t *testing.T) {
		repo := t.TempDir()
		t.Chdir(repo)
		for _, dir := range []string{"providers", ".authsome/providers", "builtin"} {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "acme.json", acme)
			write(t, dir, "openai.json", strings.Replace(acme, "acme", "openai", 1))
		}
		r := load(t, "")
		if _, err := r.Get("acme"); !errors.Is(err, provider.ErrUnknown) {
			t.Errorf("a definition of the working directory is read: %v", err)
		}
		if def, err := r.Get("openai"); err != nil || def.Source != provider.Bundled {
			t.Errorf("openai: %v, %v", def, err)
		}
	})
	t.Run("D015_schema_version", func(t *testing.T) {
		for _, version := range []string{"999", "0", "-1", "2", "1.5", "1e0", `"1"`, "99999999999999999999", "true"} {
			refuse(t, apiKeyDef(`"a.example.com"`, `,"schema_version":`+version), "schema_version", "")
		}
		parse(t, apiKeyDef(`"a.example.com"`, `,"schema_version":1`))
		parse(t, apiKeyDef(`"a.example.com"`, `,"schema_version":null`))
	})
	t.Run("D016_shared_env_name", func(t *testing.T) {
		dir := t.TempDir()
		for _, name := range []string{"b", "a"} {
			write(t, dir, name+".json", strings.Replace(apiKeyDef(`"a.example.com"`, `,"export":{"env":{"api_key":["X_KEY","OPENAI_API_KEY"]}}`), `"acme"`, js(name), 1))
		}
		for range 20 { // who is told about it first never changes
			var owners []string
			for _, def := range load(t, dir).All() {
				if slices.Contains(def.Env["api_key"], "OPENAI_API_KEY") {
					owners = append(owners, def.Name)
				}
			}
			if !slices.Equal(owners, []string{"openai", "a", "b"}) {
				t.Fatalf("owners %v", owners)
			}
		}
	})
	t.Run("D017_register", func(t *testing.T) {
		dir := t.TempDir()
		r := load(t, dir)
		if _, err := r.Register([]byte(acme), false); err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{acme, strings.Replace(acme, "acme", "github", 1)} {
			if _, err := r.Register([]byte(again), false); !errors.Is(err, provider.ErrExists) {
				t.Errorf("register again: %v", err)
			}
		}
		if _, err := r.Register([]byte("https://evil.example/x.json"), true); err == nil {
			t.Error("an address is taken for a definition")
		}
		if _, err := r.Register([]byte(strings.Replace(acme, `"acme"`, `"../acme"`, 1)), true); err == nil {
			t.Error("a name leads out of the folder")
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("the folder holds %v", entries)
		}
	})
	t.Run("D018_lookalikes", func(t *testing.T) {
		rule, err := provider.ParseRule("api.github.com")
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"xn--api-.github.com", "api.gıthub.com", "ａｐｉ.github.com", "api。github.com", "api.github.com\u200b", "api.xn--gthub-n4a.com", "api\u00ad.github.com"} {
			if rule.Match(host, 443, "/") {
				t.Errorf("%q matches", host)
			}
		}
	})
	t.Run("R034_auth_endpoints", hostileEndpoints)
}

func hostileText(t *testing.T) {
	for _, text := range []string{"\x1b[31mred", "\x1b]52;c;ZXZpbA==\a", "\x1b]8;;https://evil.example\a", "a\u202eb", "a\u2066b", "a\u200fb", "a\u200bb", "a\u2028b", "NUL\x00", "a\nb", "a\rb",
		"\u009b31m", "\ufffd", "\ue000", strings.Repeat("x", 1<<17)} {
		quoted := js(text)
		refuse(t, `{"name":"acme","auth_type":"api_key","flow":"api_key","display_name":`+quoted+`}`, "display_name", "text")
		refuse(t, apiKeyDef(`"a.example.com"`, `,"description":`+quoted), "description", "text")
		refuse(t, apiKeyDef(`"a.example.com"`, `,"api_key":{"key_pattern_hint":`+quoted+`}`), "api_key.key_pattern_hint", "text")
		refuse(t, apiKeyDef(`"a.example.com"`, `,"docs":`+js("https://example.com/#"+text)), "docs", "")
		refuse(t, apiKeyDef(`"a.example.com"`, `,"checked":{"url":"https://example.com/","date":"2026-01-31","note":`+quoted+`}`), "checked.note", "text")
		if _, _, err := provider.Parse([]byte(apiKeyDef(quoted, `,`+quoted+`:1`))); strings.ContainsAny(err.Error(), "\x1b\u202e\x00\a\u009b") || len(err.Error()) > 2000 {
			t.Errorf("the error repeats %q", cut(err.Error()))
		}
	}
	for _, text := range []string{"<b>Acme</b> & Söhne", "日本語", "emoji 🙂", "Dub.co"} { // escaped where it is shown
		parse(t, `{"name":"acme","auth_type":"api_key","flow":"api_key","display_name":`+js(text)+`}`)
	}
}

func hostileURLs(t *testing.T) {
	bad := []string{"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://a.example.com/", "ftp://a.example.com/", "/relative", "a.example.com", "//a.example.com/",
		"https://u@a.example.com/", "https://u:p@a.example.com/", "https://192.0.2.1/", "https://[::1]/", "https://localhost/", "https://com/", "https://github.io/", "https:a.example.com",
		"https://", "https://a.example.com:0/", "https://a.example.com:99999/", "https://a.example.com/\n", "https://a.example.com/ x", `https://a.example.com\@evil.example/`, "",
		"https://a.example.com/" + strings.Repeat("x", 2100)}
	good := map[string]string{"authorization_url": "https://a.example.com/authorize", "token_url": "https://a.example.com/token"}
	for _, url := range bad {
		quoted := js(url)
		for _, page := range []string{"docs", "create_url"} {
			refuse(t, apiKeyDef(`"a.example.com"`, `,"`+page+`":`+quoted), page, "")
		}
		refuse(t, apiKeyDef(`"a.example.com"`, `,"checked":{"date":"2026-01-31","url":`+quoted+`}`), "checked.url", "")
		refuse(t, apiKeyDef(`"a.example.com"`, `,"api_key":{"live_check":{"url":`+quoted+`}}`), "api_key.live_check.url", "")
		for _, field := range []string{"authorization_url", "token_url", "revocation_url", "device_authorization_url", "registration_endpoint"} {
			members := `"` + field + `":` + quoted
			for name, value := range good {
				if name != field {
					members += `,"` + name + `":"` + value + `"`
				}
			}
			refuse(t, oauthDef(`"a.example.com"`, members), "oauth."+field, "")
			refuse(t, oauthDef(`"a.example.com"`, `"token_url":"https://a.example.com/token#x"`), "oauth.token_url", "fragment")
		}
	}
	refuse(t, apiKeyDef(`"a.example.com"`, `,"api_key":{"live_check":{"url":"https://b.example.com/me"}}`), "api_key.live_check.url", "own hosts")
	def := parse(t, oauthDef(`"api.example.com"`, `"authorization_url":"https://login.example.com/a","token_url":"https://evil.test/token","revocation_url":"https://octo.github.io/r"`))
	if got := def.ForeignHosts(); !slices.Equal(got, []string{"evil.test", "octo.github.io"}) {
		t.Errorf("ForeignHosts = %v", got)
	}
}

const templated = `"authorization_url":"{base_url}/authorize","token_url":"{base_url}/token"`

func hostileBaseURL(t *testing.T) {
	def := parse(t, oauthDef(`["{base_url}/api","fixed.example.com"]`, templated))
	if !def.NeedsBaseURL() || len(def.Rules) != 1 {
		t.Fatalf("NeedsBaseURL = %t, rules %v", def.NeedsBaseURL(), def.Rules)
	}
	for _, base := range []string{"", "http://git.corp.test", "git.corp.test", "https://git.corp.test?x", "https://git.corp.test#x", "https://u@git.corp.test", "{base_url}", "https://{base_url}",
		"https://git.corp.test/{env}", "https://*.corp.test", "https://com", "https://git.corp.test/a/../b", "https://git.corp.test/%2e", "https://git.corp.test//", "https://git.corp.test\n", "javascript:x", "https://169.254.169.254"} {
		if got, err := def.Resolve(base); !errors.Is(err, provider.ErrBaseURL) {
			t.Errorf("Resolve(%q) = %v, %v", base, got, err)
		}
	}
	for base, want := range map[string]string{
		"https://git.corp.test":            "https://git.corp.test/api https://git.corp.test/token",
		"https://git.corp.test/":           "https://git.corp.test/api https://git.corp.test/token",
		"https://git.corp.test:8443/inner": "https://git.corp.test:8443/inner/api https://git.corp.test:8443/inner/token",
		"https://192.0.2.1":                "https://192.0.2.1/api https://192.0.2.1/token",
	} {
		got, err := def.Resolve(base)
		if err != nil {
			t.Errorf("Resolve(%q): %v", base, err)
			continue
		}
		if urls := got.Rules[0].String() + " " + got.OAuth.TokenURL; urls != want || got.NeedsBaseURL() || got.BaseURL != strings.TrimSuffix(base, "/") {
			t.Errorf("Resolve(%q) = %s, want %s", base, urls, want)
		}
	}
	for host, want := range map[string]string{"{env}.example.com": "unknown", "{base_url}{base_url}": "followed by", "{base_url}/{base_url}": "once", "api.{base_url}": "beginning",
		"{base_url}.evil.example": "followed by", "{base_url}@evil.example": "followed by", "{": "unknown", "regex:{base_url}": "pattern"} {
		refuse(t, oauthDef(`["`+host+`"]`, templated), "host_url[0]", want)
	}
	refuse(t, oauthDef(`"a.example.com"`, `"authorization_url":"{x}/a","token_url":"https://a.example.com/{base_url}"`), "oauth.authorization_url", "unknown")
	refuse(t, oauthDef(`"{base_url}"`, templated+`,"base_url":"http://git.example.com"`), "oauth.base_url", "https")

	preset := parse(t, oauthDef(`"{base_url}"`, templated+`,"base_url":"https://git.example.com/"`))
	if preset.NeedsBaseURL() || preset.Rules[0].String() != "git.example.com" {
		t.Errorf("with a default: %v", preset.Rules)
	}
	if same, err := preset.Resolve(""); err != nil || same != preset {
		t.Errorf("Resolve of the default: %v, %v", same, err)
	}
	if _, err := parse(t, apiKeyDef(`"a.example.com"`, "")).Resolve("https://b.example.com"); !errors.Is(err, provider.ErrBaseURL) {
		t.Errorf("a base URL for a definition without templates: %v", err)
	}
}

func hostileKeyPattern(t *testing.T) {
	for pattern, want := range map[string]string{
		"(":                       "missing closing )",
		"(?=x)y":                  "no lookahead",
		"(?!x)y":                  "no lookahead",
		"(?<=x)y":                 "no lookahead",
		"(?<!x)y":                 "no lookahead",
		`(a)\1`:                   "invalid escape",
		"a{1001}":                 "invalid repeat",
		"(a{100}){100}":           "",
		"[a-z]{1000}(x{9}){1000}": "",
		"[a-z]{1000}abc{900}[x]{1000}[y]{1000}[z]{1000}": "steps",
		"a)|(?:.*":                 "unexpected )",
		strings.Repeat("a", 1<<11): "longer than",
	} {
		refuse(t, apiKeyDef(`"a.example.com"`, `,"api_key":{"key_pattern":`+js(pattern)+`}`), "api_key.key_pattern", want)
	}
	refuse(t, apiKeyDef(`"a.example.com"`, `,"api_key":{"key_pattern":"`+strings.Repeat("a", 1<<20)+`"}`), "", "larger than 256 KiB")
	def := parse(t, apiKeyDef(`"a.example.com"`, `,"api_key":{"key_pattern":"(a+)+$"}`))
	start := time.Now()
	if def.APIKey.Pattern.MatchString(strings.Repeat("a", 100<<10) + "!") {
		t.Error("matches what it should not")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("100 KiB took %v", d)
	}
	def = parse(t, apiKeyDef(`"a.example.com"`, `,"api_key":{"key_pattern":"(?i)sk-[a-z]{3}|pk-x"}`))
	for key, want := range map[string]bool{"SK-abc": true, "pk-x": true, "sk-abcd": false, "xpk-x": false, "pk-x\n": false, "": false} {
		if got := def.APIKey.Pattern.MatchString(key); got != want {
			t.Errorf("%q: %t", key, got)
		}
	}
}

func hostileRegex(t *testing.T) {
	tail := `\.example\.com`
	for _, pattern := range []string{strings.Repeat("a", 1<<10) + tail, "(" + strings.Repeat("a|", 10_000) + "b)" + tail, "(ab){1000}" + tail, "((a{30}){30})" + tail, `[\pL\pN]{300}` + tail,
		strings.Repeat("(a?b?)*", 60) + tail} {
		if rule, err := provider.ParseRule("regex:" + pattern); err == nil {
			t.Errorf("accepted: %s", cut(rule.String()))
		}
	}
	rule, err := provider.ParseRule(`regex:(\pL+\.)*` + `api` + tail) // classes are fine
	if err != nil {
		t.Fatal(err)
	}
	hosts := make([]string, 1000)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("a%d.api.example.com", i)
	}
	start := time.Now()
	for _, host := range hosts {
		rule.Match(host, 443, "/")
	}
	if took := time.Since(start); took > 10*time.Second { // a thousand times the aim: no figure, a hang
		t.Errorf("%d matches took %v", len(hosts), took)
	}
}

func hostileFolder(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 5000)
	bad := plantBadFiles(t, dir)
	write(t, dir, "Upper.json", acme)
	write(t, dir, "broken.json", "root:x:0:0:CANARY:/root:/bin/sh\n")
	write(t, dir, "other.json", acme)
	write(t, dir, "comments.jsonc", acme)
	write(t, dir, "README.md", "not a definition")
	write(t, dir, ".p1.json.123", "temporary")
	write(t, dir, "huge.json", strings.Repeat(" ", 300<<10))
	within(t, func() {
		r, listed, err := provider.Load(dir)
		if err != nil {
			t.Error(err)
			return
		}
		custom := 0
		for _, def := range r.All() {
			if def.Source == provider.Custom {
				custom++
			}
		}
		if custom != 5000 {
			t.Errorf("%d definitions, want 5000", custom)
		}
		warnings := r.Warnings()
		text := fmt.Sprint(warnings)
		for _, name := range append(bad, "Upper.json", "broken.json", "other.json", "comments.jsonc", "huge.json") {
			if strings.Count(text, string(filepath.Separator)+name) != 1 {
				t.Errorf("warnings name %s %d times", name, strings.Count(text, name))
			}
		}
		if strings.Contains(text, "CANARY") || strings.Contains(text, "root:") {
			t.Error("warnings repeat what a file holds")
		}
		if len(warnings) != len(bad)+5 || len(listed) == 0 {
			t.Errorf("%d warnings, %d at Load", len(warnings), len(listed))
		}
		for _, name := range bad {
			if _, err := r.Get(strings.TrimSuffix(name, ".json")); err == nil {
				t.Errorf("%s is a definition", name)
			}
		}
	})
}

func hostileEndpoints(t *testing.T) {
	def := parse(t, oauthDef(`"api.alpha.test"`, `"authorization_url":"https://api.alpha.test/authorize","token_url":"https://api.alpha.test/token","revocation_url":"https://api.alpha.test/oauth/revoke",
		"registration_endpoint":"https://api.alpha.test:443/Register/","device_authorization_url":"https://login.alpha.test:8443/device"`))
	for _, path := range []string{"/token", "/token/", "//token", "/token?x", "/token#x", "/TOKEN", "/%74oken", "/%2574oken", "/x/../token", "/x/%2e%2e/token", "/./token", `\token`, "/%5ctoken", "/token;x=y", "/token//",
		"/tok%65n%3fx", "/oauth/revoke", "/oauth//revoke", "/oauth%2frevoke", "/OAuth/./Revoke/", "/register", "/authorize"} {
		for _, host := range []string{"api.alpha.test", "API.alpha.test."} {
			if !def.AuthEndpoint(host, 443, path) {
				t.Errorf("%s%s is not taken for an endpoint", host, path)
			}
		}
	}
	for _, path := range []string{"/", "", "/tokens", "/v1/token", "/token/x", "/oauth", "/device", "/?/token"} {
		if def.AuthEndpoint("api.alpha.test", 443, path) {
			t.Errorf("%s is taken for an endpoint", path)
		}
	}
	if def.AuthEndpoint("api.alpha.test", 8443, "/token") || !def.AuthEndpoint("login.alpha.test", 8443, "/DEVICE") || def.AuthEndpoint("evil.test", 443, "/token") {
		t.Error("host and port are not part of an endpoint")
	}
}
