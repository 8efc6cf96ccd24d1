package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rc")
	text := "# proxy = no\n;x=y\n\nproxy = http://corp:3128\n--noproxy \"*\"\n-x corp:1\n[http \"https://github.com\"]\n\tProxy = p\n" +
		"[section]\nkey: 'value'\n:http_proxy: http://gem\nflag\n-q\r\n=\n  https: http://conda\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	github := `http "https://github.com"`
	want := []setting{
		{"", "proxy", "http://corp:3128", 4}, {"", "noproxy", "*", 5}, {"", "x", "corp:1", 6}, {github, "proxy", "p", 8},
		{"section", "key", "value", 10}, {"section", "http_proxy", "http://gem", 11}, {"section", "flag", "", 12},
		{"section", "q", "", 13}, {"section", "https", "http://conda", 15},
	}
	if diff := cmp.Diff(want, readSettings(path), cmp.AllowUnexported(setting{})); diff != "" {
		t.Error(diff)
	}
	for _, none := range []string{path + "x", t.TempDir(), os.DevNull} {
		if got := readSettings(none); got != nil {
			t.Errorf("%s has %v", none, got)
		}
	}
}

func FuzzReadSettings(f *testing.F) {
	for _, s := range []string{"a=b", "[x", "-", "--", "[a \"b\"]\nc", "=", "\x00", "a\xff = b"} {
		f.Add(s)
	}
	path := filepath.Join(f.TempDir(), "rc")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, s := range readSettings(path) {
			if s.key == "" {
				t.Errorf("%q has a setting without a key", text)
			}
		}
	})
}

// TestConfigured: what the configuration of programs says, from a home folder.
func TestConfigured(t *testing.T) {
	home := t.TempDir()
	for name, text := range map[string]string{
		".npmrc": "cafile=~/corp.pem\n", ".config/pip/pip.conf": "[global]\ncert = /corp/pip.pem\n", ".cargo/config.toml": "[http]\ncainfo = \"/corp/cargo.pem\"\n",
		".gitconfig": "[http]\n\tproxy = http://corp\n\tsslCAInfo = /corp/git.pem\n[http \"https://github.com/\"]\n\tproxy = http://corp\n[url \"x\"]\n\tproxy = y\n",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{sys: System{Environ: []string{"HOME=" + home}}}
	if diff := cmp.Diff([]string{"/corp/git.pem", filepath.Join(home, "corp.pem"), "/corp/pip.pem", "/corp/cargo.pem"}, a.configuredRoots()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"https://github.com/"}, a.gitProxies()); diff != "" {
		t.Error(diff)
	}
}

// TestCheckConfiguration: what can't be overridden is named, what can is not.
func TestCheckConfiguration(t *testing.T) {
	home := t.TempDir()
	a := &app{sys: System{Environ: []string{"HOME=" + home}}}
	write := func(name, text string) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write(".gitconfig", "[http]\nproxy = http://corp\n")
	write(".npmrc", "proxy=http://corp\n")
	curlrc := write(".curlrc", "silent\nuser-agent = \"x\"\n")
	if c := a.checkConfiguration(); !c.OK {
		t.Errorf("%+v", c)
	}
	write(".curlrc", "# proxy = x\nproxy = http://corp:3128\n")
	want := "curl will not use a run: " + curlrc + `, line 2, sets "proxy"`
	if c := a.checkConfiguration(); c.OK || c.Detail != want || c.Hint == "" {
		t.Errorf("%+v, want %s", c, want)
	}
}
