package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const dotenvSample = "\xef\xbb\xbf# a comment\r\n" +
	"PLAIN=sk-one\r\n" +
	"  export  EXPORTED = sk-two  # why\n" +
	"SINGLE='sk three'\n" +
	"DOUBLE=\"sk-four\" # why\n" +
	"BACK=`sk-five`\n" +
	"MULTI=\"one\ntwo\"\n" +
	"EMPTY=\n" +
	"HASH=sk#six\n" +
	"DOLLAR=$OTHER\nESCAPE=\"a\\nb\"\nJUNK='a'b\nnot a setting\n1BAD=x\nOPEN='never closed\n" +
	"PLAIN=sk-last"

func TestParseDotenv(t *testing.T) {
	settings, unread := parseDotenv([]byte(dotenvSample))
	var got []string
	for _, s := range settings {
		got = append(got, s.name+"="+s.value)
		if at := dotenvSample[s.start : s.start+len(s.value)]; at != s.value {
			t.Errorf("%s: %q is at its place", s.name, at)
		}
		if lines := strings.Count(dotenvSample[:s.start], "\n") + 1; lines != s.line {
			t.Errorf("%s: line %d, want %d", s.name, s.line, lines)
		}
	}
	want := []string{"PLAIN=sk-one", "EXPORTED=sk-two", "SINGLE=sk three", "DOUBLE=sk-four", "BACK=sk-five", "MULTI=one\ntwo", "EMPTY=", "HASH=sk#six", "PLAIN=sk-last"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if unread != 6 {
		t.Errorf("%d lines were not read", unread)
	}
}

// TestParseDotenvIsPythons: what is read, python-dotenv reads in the same way.
func TestParseDotenvIsPythons(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	content := "A=sk-one\r\nexport B = sk-two  # why\nC='sk three'\nD=\"sk-four\" # why\nE=sk#five\nF=\nG=\"one\ntwo\"\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/usr/bin/python3", "-c", "import dotenv, sys\nfor k, v in dotenv.dotenv_values(sys.argv[1]).items(): print(k + '=' + v, end='|')", path).Output()
	settings, unread := parseDotenv([]byte(content))
	got := ""
	for _, s := range settings {
		got += s.name + "=" + s.value + "|"
	}
	if err != nil || unread != 0 || got != string(out) {
		t.Errorf("%q, python %q (%v)", got, out, err)
	}
}

// FuzzParseDotenv: settings are where they say, in order, and a replacement
// changes nothing else.
func FuzzParseDotenv(f *testing.F) {
	f.Add([]byte(dotenvSample))
	f.Add([]byte("A='"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, _ := parseDotenv(data)
		last := 0
		for _, s := range settings {
			if s.start < last || string(data[s.start:s.start+len(s.value)]) != s.value {
				t.Fatalf("%q is not at %d", s.name, s.start)
			}
			last = s.start + len(s.value)
		}
		settings = slices.DeleteFunc(settings, func(s envValue) bool { return s.value == "" }) // which is no key
		again, _ := parseDotenv(replaceValues(data, settings, "placeholder"))
		again = slices.DeleteFunc(again, func(s envValue) bool { return s.value == "" })
		if len(again) != len(settings) {
			t.Fatalf("%d settings became %d", len(settings), len(again))
		}
		for i, s := range again {
			if s.name != settings[i].name || s.value != "placeholder" {
				t.Fatalf("%q became %q=%q", settings[i].name, s.name, s.value)
			}
		}
	})
}
