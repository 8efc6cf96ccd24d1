//go:build linux

package clients_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"authsome/test/lab"
)

// T005: what Go programs can be told by GODEBUG does not reach authsome's
// verification, and reaches the child as the user set it.
func TestGODEBUG_T005(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	hosts := map[string]lab.Certificate{
		"cn.api.openai.com": lab.CNOnly, "sha1.api.openai.com": lab.SHA1, "rsa1024.api.openai.com": lab.RSA1024,
		"unknown.api.openai.com": lab.UnknownCA, "constrained.api.openai.com": lab.NameConstraint,
	}
	args := []string{"run", "--", "sh", "-c", `echo "GODEBUG $GODEBUG"; for url; do curl -sS -o /dev/null -w '%{http_code}\n' "$url"; done`, "sh", models}
	for host, kind := range hosts {
		w.Certify(host, kind)
		args = append(args, "https://"+host+"/")
	}
	for _, weak := range []string{
		"x509ignoreCN=0", "x509sha1=1", "x509usepolicies=0", "x509negativeserial=1", "x509rsacrt=0", "x509keypairleaf=0", "x509sha256skid=0",
		"tlsrsakex=1", "tls3des=1", "tls10server=1", "tlsmaxrsasize=65536", "tlssha1=1", "tlsunsafeekm=1", "tlssecpmlkem=0", "tlsmlkem=0",
		"rsa1024min=0", "http2client=0", "http2server=0", "netdns=cgo", "fips140=off", "randautoseed=0", "urlstrictcolons=0", "httplaxcontentlength=1",
	} {
		t.Run(weak, func(t *testing.T) {
			w.Reset()
			cmd := w.cmd(t, args...)
			cmd.Env = set(cmd.Env, "GODEBUG", weak)
			r := w.finish(t, cmd)
			lines := strings.Fields(strings.TrimPrefix(r.stdout, "GODEBUG "))
			if len(lines) != 2+len(hosts) || !strings.HasPrefix(lines[0], weak) || strings.Join(lines[1:], " ") != "200"+strings.Repeat(" 502", len(hosts)) {
				t.Errorf("%s", r)
			}
			if got := w.Requests(); len(got) != 1 || got[0].Host != victim {
				t.Errorf("upstream got %v", got)
			}
		})
	}
}

// T007: the files that a child was given are the child's. T006: so is its
// environment, while authsome's own, of the user who started it, is trusted.
func TestTrust(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	w.Certify("unknown.api.openai.com", lab.UnknownCA)
	const script = `cat "$SSL_CERT_FILE" >> all.pem; echo junk > "$SSL_CERT_FILE"; rm -f "$AUTHSOME_CA_FILE"
		export SSL_CERT_FILE=/nowhere SSL_CERT_DIR=/nowhere
		for url; do curl -sS --cacert all.pem -o /dev/null -w '%{http_code} ' "$url"; done`
	run := func(env ...string) result {
		cmd := w.cmd(t, "run", "--", "sh", "-c", script, "sh", models, "https://unknown.api.openai.com/")
		cmd.Env = append(cmd.Env, env...)
		return w.finish(t, cmd)
	}
	t.Run("T007_child_edits_its_bundle", func(t *testing.T) {
		equal(t, "answers", strings.TrimSpace(run().stdout), "200 502")
	})
	t.Run("T006_T028_environment_of_the_user", func(t *testing.T) {
		dir := filepath.Join(w.Dir(), "roots")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "other.pem"), w.UnknownAuthority(), 0o600); err != nil {
			t.Fatal(err)
		}
		// T028: a company's own authority, in the store because the user put it there.
		equal(t, "answers", strings.TrimSpace(run("SSL_CERT_DIR="+dir).stdout), "200 200")
		log := w.ok(t, "log").stdout
		for _, line := range []string{"api.openai.com:443 (CN=authsome lab root)", "unknown.api.openai.com:443 (CN=authsome lab unknown root)"} {
			if !strings.Contains(log, "trust  "+line) {
				t.Errorf("no %s in %s", line, log)
			}
		}
	})
	t.Run("T028_public_authorities_only", func(t *testing.T) {
		cmd := w.cmd(t, "run", "--strict-ca", "--", "sh", "-c", script, "sh", models)
		equal(t, "answers", strings.TrimSpace(w.finish(t, cmd).stdout), "502")
	})
}
