package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// world is what the contestants share: programs, certificates, the upstream.
type world struct {
	folder   string
	source   string // this module's folder
	secret   string // value of Authorization at the upstream
	upstream *process
	env      []string // of every program
}

// placeholder is what a client behind an injecting proxy sends.
const placeholder = "Bearer authsome-proxy-managed"

func (w *world) path(name string) string { return filepath.Join(w.folder, name) }

// newWorld makes certificates and starts the upstream.
func newWorld(ctx context.Context, folder, source string) (*world, error) {
	key := make([]byte, 24)
	_, _ = rand.Read(key)
	w := &world{folder: folder, source: source, secret: "Bearer bench-" + hex.EncodeToString(key)}
	w.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TMPDIR=" + folder, "LANG=C.UTF-8", "AUTHSOME_HOME=" + w.path("home"), "SSL_CERT_FILE=" + w.path("roots.pem")}
	if err := w.certificates(); err != nil {
		return nil, err
	}
	var err error
	w.upstream, err = launch(w.command(ctx, "upstream", "-listen", upstreamAddress+":443", "-cert", w.path("upstream.pem"), "-secret", w.secret))
	if err != nil {
		return nil, err
	}
	_, err = w.counters() // it is there when it answers
	return w, err
}

func (w *world) certificates() error {
	roots, err := newAuthority("bench roots")
	if err != nil {
		return err
	}
	leaf, err := roots.leaf(claimed, nobodys, "*"+newHosts)
	if err != nil {
		return err
	}
	ours, err := newAuthority("bench interception")
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name    string
		from    *authority
		withKey bool
	}{{"roots.pem", roots, false}, {"upstream.pem", leaf, true}, {"interception.pem", ours, true}} {
		if err := file.from.write(w.path(file.name), file.withKey); err != nil {
			return err
		}
	}
	return nil
}

// build compiles the product as it is released, its benchmark of rules, and
// the peers, into folder. It needs the network for what is not in the cache.
func build(folder, source string) error {
	product := filepath.Dir(source)
	release := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", folder + "/"}
	for _, step := range []struct {
		dir  string
		args []string
	}{
		{product, append(release, "./cmd/authsome")},
		{source, append(release, "./upstream", "./peer/...")},
		{product, []string{"test", "-c", "-o", folder + "/rules.test", "./internal/provider"}},
	} {
		cmd := exec.Command("go", step.args...)
		cmd.Dir, cmd.Env = step.dir, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s in %s: %w: %s", step.args[0], step.dir, err, out)
		}
	}
	return nil
}

// command is a program of ours, or of the system, in the benchmark's
// environment.
func (w *world) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	path := w.path(name)
	if _, err := os.Stat(path); err != nil {
		path = name
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir = w.env, w.folder
	return cmd
}

// pool reads the certificates in a file.
func pool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificates", path)
	}
	return p, nil
}

// counters are the upstream's.
type counters struct {
	Handshakes, Resumed, Requests, Unauthorized int64
}

func (w *world) counters() (counters, error) {
	var c counters
	if _, err := io.WriteString(w.upstream.stdin, "\n"); err != nil {
		return c, err
	}
	line, err := w.upstream.line()
	if err == nil {
		err = json.Unmarshal([]byte(line), &c)
	}
	return c, err
}

// login gives authsome its credential, and fifty definitions of the user's own
// beside those that are bundled.
func (w *world) login(ctx context.Context) error {
	for i := range 50 {
		if err := w.define(ctx, fmt.Sprintf("other%02d", i), fmt.Sprintf(`["other%02d.example"]`, i), i == 0); err != nil {
			return err
		}
	}
	if err := w.define(ctx, "bench", fmt.Sprintf(`[%q, %q]`, claimed, "*"+newHosts), true); err != nil {
		return err
	}
	cmd := w.command(ctx, "authsome", "login", "bench", "--with-token")
	cmd.Stdin = strings.NewReader(strings.TrimPrefix(w.secret, "Bearer "))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("login: %w: %s", err, out)
	}
	return nil
}

// define adds a provider: by the command line, or straight into the folder
// that the command line writes.
func (w *world) define(ctx context.Context, name, hosts string, byCommand bool) error {
	text := fmt.Sprintf(`{"schema_version": 1, "name": %q, "display_name": %q, "auth_type": "api_key", "flow": "api_key", "host_url": %s}`, name, name, hosts)
	path := filepath.Join(w.path("home"), "providers", name+".json")
	if byCommand {
		path = w.path(name + ".json")
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil || !byCommand {
		return err
	}
	if out, err := w.command(ctx, "authsome", "register", "--yes", path).CombinedOutput(); err != nil {
		return fmt.Errorf("register %s: %w: %s", name, err, out)
	}
	return nil
}

func (w *world) close() {
	if w != nil {
		w.upstream.stop()
	}
}
