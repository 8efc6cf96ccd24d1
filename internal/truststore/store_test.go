package truststore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const name = "authsome-0123456789abcdef"

// certificate makes one called cn.
func certificate(t testing.TB, cn string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func mustCert(t testing.TB, folder string) Cert {
	t.Helper()
	c, err := NewCert(certificate(t, name), folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// machine is a system on which these programs, files and folders are, and
// where only what lies below writable can be written.
func machine(os string, programs, files []string, writable string) System {
	return System{
		OS: os, Home: "/home/u",
		Look: func(program string) string {
			if slices.Contains(programs, program) {
				return "/usr/bin/" + program
			}
			return ""
		},
		Glob: func(pattern string) (found []string) {
			for _, file := range files {
				if ok, _ := filepath.Match(pattern, file); ok {
					found = append(found, file)
				}
			}
			return found
		},
		Real: func(path string) string {
			if strings.HasSuffix(path, "keytool") {
				return "/opt/jdk/bin/keytool"
			}
			return map[bool]string{true: path}[slices.Contains(files, path)]
		},
		Writable: func(path string) bool { return strings.HasPrefix(path, writable) },
	}
}

// TestFamilies holds every command and file of every family, to the letter.
// Those of macOS, Windows, Fedora, Arch and Alpine are not run by any test.
func TestFamilies(t *testing.T) {
	c := mustCert(t, "/home/u/.authsome")
	const file = "/home/u/.authsome/" + name + ".pem"
	keychain := "/home/u/Library/Keychains/login.keychain-db"
	local := "/usr/local/share/ca-certificates"
	nssdb := func(store, folder, needs string) Target {
		return Target{Store: store, Where: folder, Needs: needs,
			Check:  Check{Run: []string{"certutil", "-L", "-d", "sql:" + folder, "-n", name, "-a"}},
			Add:    []Step{{Run: []string{"certutil", "-A", "-d", "sql:" + folder, "-n", name, "-t", "C,,", "-i", file}}},
			Delete: []Step{{Run: []string{"certutil", "-D", "-d", "sql:" + folder, "-n", name}}}}
	}
	keystore := func(store, alias string, root bool) Target {
		tool := []string{"/opt/jdk/bin/keytool"}
		rest := []string{"-alias", alias, "-keystore", store, "-storepass", "changeit"}
		return Target{Store: "java", Where: store, Root: root,
			Check:  Check{Run: slices.Concat(tool, []string{"-exportcert"}, rest, []string{"-rfc"})},
			Add:    []Step{{Run: slices.Concat(tool, []string{"-importcert"}, rest, []string{"-noprompt", "-trustcacerts", "-file", file})}},
			Delete: []Step{{Run: slices.Concat(tool, []string{"-delete"}, rest)}}}
	}
	debian := Target{Store: "system", Where: local, Root: true,
		Check: Check{File: "/etc/ssl/certs/ca-certificates.crt"}, Own: local + "/" + name + ".crt",
		Add: []Step{{Write: local + "/" + name + ".crt"}, {Run: []string{"update-ca-certificates"}}},
		Delete: []Step{{Remove: local + "/" + name + ".crt"},
			{Run: []string{"find", "/etc/ssl/certs", "-maxdepth", "1", "-type", "l", "-lname", "*" + name + ".*", "-delete"}},
			{Run: []string{"update-ca-certificates"}}}}
	debianRoot, alpine := debian, debian
	debianRoot.Root = false
	alpine.Delete = []Step{{Remove: local + "/" + name + ".crt"}, {Run: []string{"update-ca-certificates"}}}
	anchors := "/etc/pki/ca-trust/source/anchors"
	for _, tt := range []struct {
		name   string
		system System
		want   []Target
	}{
		{"nothing", machine("linux", nil, nil, ""), nil},
		{"debian", machine("linux", []string{"update-ca-certificates", "trust"}, []string{local}, "/home/u"), []Target{debian}},
		{"debian as root", machine("linux", []string{"update-ca-certificates"}, []string{local}, "/"), []Target{debianRoot}},
		{"alpine", machine("linux", []string{"update-ca-certificates"}, []string{local, "/etc/alpine-release"}, "/home/u"), []Target{alpine}},
		{"fedora", machine("linux", []string{"update-ca-trust", "trust"}, []string{anchors}, "/home/u"), []Target{{Store: "system", Where: anchors, Root: true,
			Check: Check{File: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"}, Own: anchors + "/" + name + ".pem",
			Add:    []Step{{Write: anchors + "/" + name + ".pem"}, {Run: []string{"update-ca-trust", "extract"}}},
			Delete: []Step{{Remove: anchors + "/" + name + ".pem"}, {Run: []string{"update-ca-trust", "extract"}}}}}},
		{"arch", machine("linux", []string{"update-ca-trust", "trust"}, []string{"/etc/ca-certificates/trust-source"}, "/home/u"), []Target{{Store: "system",
			Where: "/etc/ca-certificates/trust-source", Root: true, Check: Check{File: "/etc/ca-certificates/extracted/tls-ca-bundle.pem"},
			Add:    []Step{{Run: []string{"trust", "anchor", "--store", file}}},
			Delete: []Step{{Run: []string{"trust", "anchor", "--remove", file}}}}}},
		{"macos", machine("darwin", []string{"security", "certutil"}, []string{"/home/u/.pki/nssdb/cert9.db"}, "/home/u"), []Target{{Store: "system", Where: keychain,
			Check:  Check{Run: []string{"security", "find-certificate", "-a", "-p", "-c", name, keychain}},
			Add:    []Step{{Run: []string{"security", "add-trusted-cert", "-r", "trustRoot", "-k", keychain, file}}},
			Delete: []Step{{Run: []string{"security", "delete-certificate", "-Z", c.SHA1(), "-t", keychain}}}}}},
		{"windows", machine("windows", []string{"certutil"}, nil, "/"), []Target{{Store: "system", Where: `Cert:\CurrentUser\Root`,
			Check:  Check{Run: []string{"certutil", "-user", "-store", "Root", c.SHA1()}, Exit: true},
			Add:    []Step{{Run: []string{"certutil", "-user", "-addstore", "Root", file}}},
			Delete: []Step{{Run: []string{"certutil", "-user", "-delstore", "Root", c.SHA1()}}}}}},
		{"browsers", machine("linux", []string{"certutil"}, []string{"/home/u/.pki/nssdb/cert9.db",
			"/home/u/.mozilla/firefox/a.default/cert9.db", "/home/u/snap/firefox/common/.mozilla/firefox/b/cert9.db", "/home/u/.mozilla/firefox/empty"}, "/home/u"),
			[]Target{nssdb("chromium", "/home/u/.pki/nssdb", ""), nssdb("firefox", "/home/u/.mozilla/firefox/a.default", ""),
				nssdb("firefox", "/home/u/snap/firefox/common/.mozilla/firefox/b", "")}},
		{"browser without certutil", machine("linux", nil, []string{"/home/u/.pki/nssdb/cert9.db"}, "/home/u"),
			[]Target{nssdb("chromium", "/home/u/.pki/nssdb", "certutil (Debian: libnss3-tools, Fedora: nss-tools, Arch: nss)")}},
		{"java", machine("linux", []string{"keytool"}, []string{"/opt/jdk/lib/security/cacerts"}, "/home/u"), []Target{keystore("/opt/jdk/lib/security/cacerts", name, true)}},
		{"own java", machine("linux", []string{"keytool"}, []string{"/opt/jdk/lib/security/cacerts"}, "/opt"), []Target{keystore("/opt/jdk/lib/security/cacerts", name, false)}},
		{"java of debian", linked("/etc/ssl/certs/java/cacerts"), []Target{keystore("/etc/ssl/certs/java/cacerts", "debian:"+name+".pem", true)}},
		{"java of fedora", linked("/etc/pki/ca-trust/extracted/java/cacerts"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Find(tt.system, c, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if len(c.SHA1()) != 40 || len(c.SHA256()) != 64 {
		t.Errorf("fingerprints %s, %s", c.SHA1(), c.SHA256())
	}
}

// linked is a system whose JDK's keystore is a link to store.
func linked(store string) System {
	s := machine("linux", []string{"keytool"}, nil, "/home/u")
	s.Real = func(path string) string {
		return map[bool]string{true: "/opt/jdk/bin/keytool", false: store}[strings.HasSuffix(path, "keytool")]
	}
	return s
}

func TestFindByName(t *testing.T) {
	s := machine("linux", []string{"update-ca-certificates", "certutil"}, []string{localFolder, "/home/u/.pki/nssdb/cert9.db"}, "/")
	c := mustCert(t, "/home/u")
	got, err := Find(s, c, []string{"chromium"})
	if err != nil || len(got) != 1 || got[0].Store != "chromium" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Find(s, c, []string{"system", "debian"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v, want ErrUnknown", err)
	}
	if diff := cmp.Diff([]string{"system", "chromium", "firefox", "java"}, Names()); diff != "" {
		t.Error(diff)
	}
}

func TestNewCertRefuses(t *testing.T) {
	good := certificate(t, name)
	for what, data := range map[string][]byte{
		"nothing": nil, "text": []byte("x"), "two": append(slices.Clone(good), good...), "not DER": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
		"foreign": certificate(t, "Root CA"), "option": certificate(t, "-authsome-0123456789abcdef"), "path": certificate(t, "authsome-../0123456789abc"),
		"longer": certificate(t, name+"0"), "line": certificate(t, name+"\n"), "empty": certificate(t, ""),
	} {
		if c, err := NewCert(data, "/x"); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %q, %v, want ErrCertificate", what, c.Name, err)
		}
	}
}
