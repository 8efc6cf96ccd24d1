//go:build linux

package conformance_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// suites are the cipher suites of a host whose certificate is an ECDSA one, by
// OpenSSL's names.
var suites = []string{
	"TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305",
	"TLSv1.3 TLS_AES_128_GCM_SHA256", "TLSv1.3 TLS_AES_256_GCM_SHA384", "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256",
}

// command runs a program to its end.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// readXML reads the report of a suite.
func readXML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = xml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// TestTLS: what scanners find on an intercepted host.
func TestTLS(t *testing.T) {
	w := newWorld(t, host)
	s := w.start(t)
	ln, port := listen(t)
	s.adapt(t, ln, host+":443", nil)
	address := "127.0.0.1"
	t.Run("T024_sslscan", func(t *testing.T) { sslscan(t, address+":"+port, w.Dir()) })
	t.Run("T024_nmap", func(t *testing.T) { nmap(t, address, port, w.Dir()) })
	t.Run("T024_testssl", func(t *testing.T) { testssl(t, address+":"+port, w.Dir()) })
	t.Run("T019_early_data", func(t *testing.T) { earlyData(t, address+":"+port, w.Dir()) })
	t.Run("T020_encrypted_hello", func(t *testing.T) { s.encryptedHello(t) })
}

func sslscan(t *testing.T, target, folder string) {
	path := filepath.Join(folder, "sslscan.xml")
	out := command(t, "sslscan", "--no-colour", "--sni-name="+host, "--xml="+path, target)
	var report struct {
		Test struct {
			Protocols []struct {
				Type    string `xml:"type,attr"`
				Version string `xml:"version,attr"`
				Enabled bool   `xml:"enabled,attr"`
			} `xml:"protocol"`
			Renegotiation struct {
				Supported bool `xml:"supported,attr"`
			} `xml:"renegotiation"`
			Ciphers []struct {
				Version string `xml:"sslversion,attr"`
				Name    string `xml:"cipher,attr"`
			} `xml:"cipher"`
			Heartbleed []struct {
				Vulnerable bool `xml:"vulnerable,attr"`
			} `xml:"heartbleed"`
		} `xml:"ssltest"`
	}
	readXML(t, path, &report)
	var enabled, found []string
	for _, p := range report.Test.Protocols {
		if p.Enabled {
			enabled = append(enabled, p.Type+" "+p.Version)
		}
	}
	for _, c := range report.Test.Ciphers {
		found = append(found, c.Version+" "+c.Name)
	}
	slices.Sort(found)
	if diff := cmp.Diff([]string{"tls 1.2", "tls 1.3"}, enabled) + cmp.Diff(suites, found); diff != "" {
		t.Errorf("%s\n%s", diff, out)
	}
	for _, h := range report.Test.Heartbleed {
		if h.Vulnerable {
			t.Error("heartbleed")
		}
	}
	if report.Test.Renegotiation.Supported || len(report.Test.Heartbleed) == 0 {
		t.Errorf("renegotiation\n%s", out)
	}
}

func nmap(t *testing.T, address, port, folder string) {
	path := filepath.Join(folder, "nmap.xml")
	out := command(t, "nmap", "-Pn", "-p", port, "--script", "ssl-enum-ciphers", "--script-args", "tls.servername="+host, "-oX", path, address)
	var report struct {
		Scripts []struct {
			ID    string `xml:"id,attr"`
			Elems []struct {
				Key  string `xml:"key,attr"`
				Text string `xml:",chardata"`
			} `xml:"elem"`
			Tables []struct {
				Key string `xml:"key,attr"`
			} `xml:"table"`
		} `xml:"host>ports>port>script"`
	}
	readXML(t, path, &report)
	found := map[string]string{}
	for _, script := range report.Scripts {
		for _, table := range script.Tables {
			found[script.ID] += table.Key + " "
		}
		for _, elem := range script.Elems {
			found[script.ID] += strings.TrimSpace(elem.Key+" "+elem.Text) + " "
		}
	}
	want := map[string]string{"ssl-enum-ciphers": "TLSv1.2 TLSv1.3 least strength A "}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("%s\n%s", diff, out)
	}
}

// testssl takes minutes: it runs protocols, preferences and vulnerabilities.
// Without it the same question goes to OpenSSL's client: what is refused.
func testssl(t *testing.T, target, folder string) {
	if !full() {
		refusedProtocols(t, target)
		return
	}
	path := filepath.Join(folder, "testssl.json")
	out := command(t, "testssl", "--quiet", "--color", "0", "--warnings", "off", "-p", "-P", "-U", "--jsonfile", path, target)
	text, err := os.ReadFile(path)
	var findings []struct{ ID, Severity, Finding string }
	if err == nil {
		err = json.Unmarshal(text, &findings)
	}
	if err != nil || len(findings) < 20 {
		t.Fatalf("%d findings, %v\n%s", len(findings), err, out)
	}
	for _, f := range findings {
		if !slices.Contains([]string{"OK", "INFO", "LOW"}, f.Severity) {
			t.Errorf("%s: %s: %s", f.Severity, f.ID, f.Finding)
		}
	}
}

// refusedProtocols asks for what must not be had, with every cipher that
// OpenSSL still has.
func refusedProtocols(t *testing.T, target string) {
	for _, args := range [][]string{
		{"-tls1"}, {"-tls1_1"}, {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:AES128-GCM-SHA256:@SECLEVEL=0"},
		{"-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"},
	} {
		all := append([]string{"s_client", "-connect", target, "-servername", host, "-legacy_server_connect"}, args...)
		if !slices.Contains(args, "-cipher") {
			all = append(all, "-cipher", "ALL:@SECLEVEL=0")
		}
		cmd := exec.CommandContext(t.Context(), "openssl", all...)
		out, err := cmd.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("Cipher is (NONE)")) || !bytes.Contains(out, []byte("alert")) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// earlyData resumes a session with a request ready to be sent early. The
// ticket allows none, and none is sent.
func earlyData(t *testing.T, target, folder string) {
	session, early := filepath.Join(folder, "session.pem"), filepath.Join(folder, "early")
	request := "GET /early HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"
	if err := os.WriteFile(early, []byte(request), 0o600); err != nil {
		t.Fatal(err)
	}
	client := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "openssl", append([]string{
			"s_client", "-connect", target, "-servername", host, "-tls1_3", "-ign_eof",
		}, args...)...)
		cmd.Stdin = strings.NewReader(request)
		out, _ := cmd.CombinedOutput() // the chain ends in an unknown root
		return string(out)
	}
	first := client("-sess_out", session)
	second := client("-sess_in", session, "-early_data", early)
	for text, in := range map[string]string{"Max Early Data: 0": first, "Reused, TLSv1.3": second, "Early data was not sent": second, "200 OK": second} {
		if !strings.Contains(in, text) {
			t.Errorf("no %q in\n%s", text, in)
		}
	}
}

// encryptedHello sends an encrypted ClientHello under a key that the server
// can't have, which is what GREASE looks like to it. It is ignored: the
// handshake goes on for the outer name, which the client finds certified.
func (s *session) encryptedHello(t *testing.T) {
	for _, inner := range []string{host, "inner.test"} {
		tunnel, err := s.dial(host + ":443")
		if err != nil {
			t.Fatal(err)
		}
		defer tunnel.Close()
		err = tls.Client(tunnel, &tls.Config{
			ServerName: inner, RootCAs: s.roots, MinVersion: tls.VersionTLS13, EncryptedClientHelloConfigList: echConfigs(t, host),
		}).Handshake()
		// crypto/tls says so when the outer name's certificate was verified, and otherwise what is wrong with it.
		if rejected := (*tls.ECHRejectionError)(nil); !errors.As(err, &rejected) || len(rejected.RetryConfigList) > 0 {
			t.Errorf("encrypted hello for %s: %v", inner, err)
		}
	}
}

// echConfigs is a list of one configuration (draft-ietf-tls-esni-18 section 4)
// whose public name is name and whose key nobody has.
func echConfigs(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	contents := []byte{7}                                      // config_id
	contents = binary.BigEndian.AppendUint16(contents, 0x0020) // DHKEM(X25519, HKDF-SHA256)
	contents = binary.BigEndian.AppendUint16(contents, 32)
	contents = append(contents, key.PublicKey().Bytes()...)
	contents = append(contents, 0, 4, 0, 1, 0, 1) // HKDF-SHA256, AES-128-GCM
	contents = append(contents, 32, byte(len(name)))
	contents = append(contents, name...)
	contents = append(contents, 0, 0) // extensions
	config := binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(contents)))
	config = append(config, contents...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(config))), config...)
}
