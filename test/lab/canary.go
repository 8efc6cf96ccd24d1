package lab

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A canary is a secret that can be recognised. Its core is letters and digits,
// which hardly any encoding of text changes.
type canary struct{ label, core string }

// A Hit is a place where a canary is that Find came across.
type Hit struct {
	Where  string // file, or the name given to FindBytes
	Label  string
	Form   string // "raw", "base64", …
	Offset int    // bytes
}

// Canary returns a new secret such as sk-CANARY-label-…, which no other test
// has. The label may hold letters and digits.
func (l *Lab) Canary(label string) string { return l.CanaryAs(label, "sk-CANARY-"+label+"-%s") }

// CanaryAs returns a new secret in the form a provider's keys have: the %s of
// format becomes 32 lower-case letters and digits.
func (l *Lab) CanaryAs(label, format string) string {
	core := strings.ToLower(rand.Text() + rand.Text())[:coreLen]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.canaries = append(l.canaries, canary{label, core})
	return fmt.Sprintf(format, core)
}

const coreLen = 32

// Watch adds a secret that was made elsewhere. It has at least coreLen
// characters, so that halves of it are no coincidence.
func (l *Lab) Watch(label, secret string) {
	if len(secret) < coreLen {
		panic("a secret too short to search for: " + label)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.canaries = append(l.canaries, canary{label, secret})
}

// Search fails the test for every canary in the files below the given
// directories, in their names, or in the given files.
func (l *Lab) Search(t testing.TB, where ...string) {
	t.Helper()
	hits, err := l.Find(where...)
	if err != nil {
		t.Errorf("search for canaries: %v", err)
	}
	report(t, hits)
}

// SearchBytes fails the test for every canary in data. The name says in the
// failure what data is: "stdout".
func (l *Lab) SearchBytes(t testing.TB, name string, data []byte) {
	t.Helper()
	report(t, l.FindBytes(name, data))
}

func report(t testing.TB, hits []Hit) {
	t.Helper()
	for _, hit := range hits {
		t.Errorf("canary %q is in %s as %s at offset %d", hit.Label, hit.Where, hit.Form, hit.Offset)
	}
}

// Find is Search for tests that expect something. Symbolic links are not
// followed; what they say is searched. Sockets and pipes are passed over.
func (l *Lab) Find(where ...string) ([]Hit, error) {
	var hits []Hit
	for _, root := range where {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			hits = append(hits, l.FindBytes("the name "+path, []byte(filepath.Base(path)))...)
			data, err := content(path, entry)
			hits = append(hits, l.FindBytes(path, data)...)
			return err
		})
		if err != nil {
			return hits, err
		}
	}
	return hits, nil
}

func content(path string, entry fs.DirEntry) ([]byte, error) {
	switch entry.Type() {
	case 0:
		return os.ReadFile(path)
	case fs.ModeSymlink:
		target, err := os.Readlink(path)
		return []byte(target), err
	}
	return nil, nil
}

// FindBytes is SearchBytes for tests that expect something. It knows halves of
// a canary, and any of its forms: as it is in either case, base64 at all three
// alignments, hexadecimal, percent-encoded, UTF-16.
func (l *Lab) FindBytes(name string, data []byte) []Hit {
	l.mu.Lock()
	defer l.mu.Unlock()
	var hits []Hit
	for _, c := range l.canaries {
		for _, half := range []string{c.core[:len(c.core)/2], c.core[len(c.core)/2:]} {
			for _, f := range forms(half) {
				if i := bytes.Index(data, f.text); i >= 0 {
					hits = append(hits, Hit{name, c.label, f.name, i})
				}
			}
		}
	}
	return hits
}

type form struct {
	name string
	text []byte
}

func forms(s string) []form {
	upper := strings.ToUpper(s)
	all := []form{{"raw", []byte(s)}, {"upper case", []byte(upper)}}
	for _, s := range []string{s, upper} {
		hexed := hex.EncodeToString([]byte(s))
		all = append(all,
			form{"hex", []byte(hexed)}, form{"hex", []byte(strings.ToUpper(hexed))},
			form{"percent", []byte(percent(hexed))}, form{"percent", []byte(percent(strings.ToUpper(hexed)))},
			form{"utf-16", []byte(strings.Join(strings.Split(s, ""), "\x00"))})
		for shift := range 3 {
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				all = append(all, form{"base64", []byte(aligned(encoding, s, shift))})
			}
		}
	}
	return all
}

func percent(hexed string) string {
	var b strings.Builder
	for i := 0; i < len(hexed); i += 2 {
		b.WriteString("%" + hexed[i:i+2])
	}
	return b.String()
}

// aligned is the part of s in base64, shift bytes into a group, that does not
// depend on what is before and after it.
func aligned(encoding *base64.Encoding, s string, shift int) string {
	encoded := encoding.EncodeToString(append(make([]byte, shift), s...))
	first := (shift*8 + 5) / 6
	last := (shift + len(s)) * 8 / 6
	return encoded[first:last]
}
