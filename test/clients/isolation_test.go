//go:build linux

package clients_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// noPrivateKey fails the test for private keys in the files below folder.
func noPrivateKey(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("PRIVATE KEY")) {
			t.Errorf("a private key in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// curlThrough fetches a URL through some run's proxy, trusting some run.
func (w *world) curlThrough(t *testing.T, proxy, bundle string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "curl", "-sS", "--fail-with-body", "--proxy", proxy, "--cacert", bundle, models)
	cmd.Env = []string{"PATH=" + variables(w.env)["PATH"], "HOME=" + w.tmp}
	return w.finish(t, cmd)
}

// TestRuns is what one run leaves to others, and to the machine: nothing.
func TestRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	store := trustStore(t)
	a, b := w.start(t, "hold"), w.start(t, "hold")
	inA, inB := a.environ(t), b.environ(t)
	t.Run("T021_trust", func(t *testing.T) {
		for _, c := range []struct {
			proxy, bundle map[string]string
			code          int
		}{{inA, inA, 0}, {inB, inB, 0}, {inA, inB, 60}, {inB, inA, 60}} {
			r := w.curlThrough(t, c.proxy["HTTPS_PROXY"], c.bundle["SSL_CERT_FILE"])
			if r.code != c.code {
				t.Errorf("want exit %d: %s", c.code, r)
			}
		}
	})
	t.Run("P022_folders", func(t *testing.T) {
		equal(t, "folders", len(w.runFolders(t)), 2)
		for _, folder := range w.runFolders(t) {
			info, err := os.Stat(folder)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "mode", info.Mode().Perm(), 0o700)
		}
	})
	t.Run("T011_key_in_memory", func(t *testing.T) {
		noPrivateKey(t, w.Dir())
		w.openFiles(t, a)
	})
	t.Run("T023_authority", func(t *testing.T) { runAuthority(t, inA["AUTHSOME_CA_FILE"]) })
	equal(t, "exit of a", a.end(t), 0)
	equal(t, "exit of b", b.end(t), 0)
	t.Run("T023_bundle_removed", func(t *testing.T) {
		for _, name := range []string{"SSL_CERT_FILE", "AUTHSOME_CA_FILE"} {
			if _, err := os.Stat(inA[name]); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", inA[name], err)
			}
		}
		equal(t, "folders", len(w.runFolders(t)), 0)
		noPrivateKey(t, w.Dir())
	})
	t.Run("T022_trust_store", func(t *testing.T) {
		equal(t, "system trust store", trustStore(t), store)
		equal(t, "HOME", len(names(t, variables(w.env)["HOME"])), 0)
	})
}

// runAuthority: it is good for a day at most, and for nothing but claimed
// hosts.
func runAuthority(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if cert.Subject.CommonName == labIssuer {
			continue // SSL_CERT_FILE's, the user's own
		}
		found = true
		if cert.NotAfter.After(time.Now().Add(24 * time.Hour)) {
			t.Errorf("%s is good until %v", cert.Subject, cert.NotAfter)
		}
		equal(t, "name constraints are critical", cert.PermittedDNSDomainsCritical, true)
		equal(t, "claims api.openai.com", strings.Contains(fmt.Sprint(cert.PermittedDNSDomains), victim), true)
		equal(t, "claims example.com", strings.Contains(fmt.Sprint(cert.PermittedDNSDomains), "example.com"), false)
	}
	equal(t, "an authority in "+file, found, true)
}

// openFiles: root can see what an authsome holds open. No file of it may hold a
// key, deleted ones included; others see nothing at all.
func (w *world) openFiles(t *testing.T, r *running) {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid)
	entries, err := os.ReadDir(folder)
	if os.Getuid() != 0 {
		equal(t, "an ordinary user may not look", os.IsPermission(err), true)
		return
	}
	if err != nil || len(entries) == 0 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		target, _ := os.Readlink(path)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(target, "anon_inode:") {
			continue // sockets, pipes, folders, epoll
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		w.SearchBytes(t, path, data)
		equal(t, "a private key in "+path, bytes.Contains(data, []byte("PRIVATE KEY")), false)
	}
}

// trustStore is a digest of the machine's roots.
func trustStore(t *testing.T) string {
	t.Helper()
	return digest(t, "/etc/ssl", "/usr/local/share/ca-certificates", "/usr/share/ca-certificates", "/etc/pki", "/etc/ca-certificates")
}

// digest stands for every byte below the folders, which need not be there, and
// for names, modes and times.
func digest(t *testing.T, folders ...string) string {
	t.Helper()
	sum := sha256.New()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			var data []byte
			if entry.Type().IsRegular() {
				if data, err = os.ReadFile(path); os.IsPermission(err) {
					err = nil // /etc/ssl/private
				}
			}
			if !entry.IsDir() { // a folder's time changes with what comes and goes in it
				fmt.Fprintln(sum, info.ModTime().UnixNano())
			}
			fmt.Fprintln(sum, path, info.Mode(), len(data))
			_, _ = sum.Write(data)
			return err
		})
		if err != nil && !os.IsPermission(err) {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// TestRuns_T022_hundred: a hundred runs leave the machine's trust stores, the
// home folder, stores of browsers and settings of clients in it, and the
// temporary folder as they were.
func TestRuns_T022_hundred(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	home := variables(w.env)["HOME"]
	for _, name := range []string{
		".curlrc", ".npmrc", ".gitconfig", ".pki/nssdb/cert9.db", ".mozilla/firefox/a.default/cert9.db", ".config/pip/pip.conf", ".keystore",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stores, before := trustStore(t), digest(t, home, w.tmp)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 25 {
				command := []string{"true"}
				if i%5 == 0 {
					command = []string{"curl", "-sS", "--fail", "-o", os.DevNull, models}
				}
				if r := w.do(t, append([]string{"run", "--"}, command...)...); r.code != 0 {
					t.Error(r)
				}
			}
		})
	}
	group.Wait()
	equal(t, "requests", len(w.requests("api.openai.com")), 20)
	equal(t, "trust stores", trustStore(t), stores)
	equal(t, "HOME and TMPDIR", digest(t, home, w.tmp), before)
	noPrivateKey(t, w.Dir())
}
