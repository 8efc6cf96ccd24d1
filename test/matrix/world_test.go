//go:build linux

package matrix_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"authsome/test/lab"
)

// Worlds: how the user of authsome reaches the internet.
const (
	plain     = "plain"     // an open proxy; the system's store holds the world's root
	corporate = "corporate" // a proxy that wants a password, and a private root that variables name
)

// binaryVariable is the authsome to run.
const binaryVariable = "MATRIX_AUTHSOME"

// trap is what every name resolves to in the worker's network namespace. It is
// not in 127/8: programs treat that range as local.
const trap = "198.18.0.1"

// patience is how long a client may take.
const patience = 180 * time.Second

const (
	hostsFile = "/etc/hosts"
	storeFile = "/etc/ssl/certs/ca-certificates.crt"
)

// A world is a lab in a network namespace, with one user who is logged in to
// all the hosts of the clients.
type world struct {
	*lab.Lab
	name      string
	bin       string
	env       []string
	trapped   atomic.Int64
	listeners []net.Listener
	keys      map[string]string // by host
	before    []string          // files of HOME, before the first run
}

func newWorld(name string) (*world, error) {
	if err := enclose(); err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	l, err := lab.Start()
	if err != nil {
		return nil, err
	}
	w := &world{Lab: l, name: name, bin: os.Getenv(binaryVariable), keys: map[string]string{}}
	for _, step := range []func() error{w.listen, w.furnish, w.login} {
		if err := step(); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

func (w *world) close() error {
	var err error
	for _, ln := range w.listeners {
		err = errors.Join(err, ln.Close())
	}
	return errors.Join(err, w.Lab.Close())
}

// enclose gives the namespace its addresses, and keeps mounts to ourselves.
func enclose() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, args := range []string{"link set lo up", "addr add " + trap + "/32 dev lo"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return nil
}

// listen opens the trap.
func (w *world) listen() error {
	for _, port := range []string{"443", "80"} {
		ln, err := net.Listen("tcp", net.JoinHostPort(trap, port))
		if err != nil {
			return err
		}
		w.listeners = append(w.listeners, ln)
		go w.count(ln)
	}
	return nil
}

// count takes what falls into the trap, until ln is closed.
func (w *world) count(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		w.trapped.Add(1)
		_ = conn.Close()
	}
}

// furnish lays out what the user has: names, trust, an environment.
func (w *world) furnish() error {
	if err := w.overlay(hostsFile, trapHosts()); err != nil {
		return err
	}
	w.env = slices.DeleteFunc(w.Env(filepath.Join(w.Dir(), "authsome")), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == "SSL_CERT_FILE" || name == "HTTPS_PROXY" && w.name == corporate
	})
	w.env = append(w.env, "PATH="+filepath.Dir(w.bin)+":"+os.Getenv("PATH"))
	if w.name == corporate {
		return w.furnishCorporate()
	}
	system, err := os.ReadFile(storeFile)
	if err != nil {
		return err
	}
	root, err := os.ReadFile(w.CA())
	if err != nil {
		return err
	}
	return w.overlay(storeFile, slices.Concat(system, []byte("\n"), root))
}

// overlay makes a file of the system another one, for this process and those
// that it starts.
func (w *world) overlay(path string, data []byte) error {
	ours := filepath.Join(w.Dir(), filepath.Base(path))
	if err := os.WriteFile(ours, data, 0o644); err != nil { //nolint:gosec // as public as the original
		return err
	}
	return syscall.Mount(ours, path, "", syscall.MS_BIND, "")
}

func (w *world) furnishCorporate() error {
	w.RequireProxyAuth("corp", "corporate-password")
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		w.env = append(w.env, name+"="+w.Proxy())
	}
	for _, name := range []string{
		"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "PIP_CERT", "AWS_CA_BUNDLE",
	} {
		w.env = append(w.env, name+"="+w.CA())
	}
	return nil
}

func trapHosts() []byte {
	text := "127.0.0.1 localhost\n::1 localhost\n"
	for _, host := range hosts() {
		text += trap + " " + host + "\n"
	}
	return []byte(text)
}

// others is the provider for hosts that no bundled one claims.
const others = "others"

// providerOf is the provider whose credential goes to the host.
func providerOf(host string) string {
	switch host {
	case "api.openai.com":
		return "openai"
	case "api.anthropic.com":
		return "anthropic"
	case "api.github.com":
		return "github"
	case "generativelanguage.googleapis.com":
		return "gemini"
	case "slack.com":
		return "slack"
	}
	return others
}

func (w *world) login() error {
	byProvider := map[string][]string{}
	for _, c := range clients() {
		byProvider[providerOf(c.Host)] = append(byProvider[providerOf(c.Host)], c.Host)
	}
	if err := w.register(byProvider[others]); err != nil {
		return err
	}
	for name, hosts := range byProvider {
		format := "sk-CANARY-%s"
		if name == "anthropic" {
			format = "sk-ant-%s"
		}
		key := w.CanaryAs(name, format)
		if err := w.authsome(key, "login", name, "--with-token"); err != nil {
			return err
		}
		for _, host := range hosts {
			w.keys[host] = key
		}
	}
	var err error
	w.before, err = w.files()
	return err
}

func (w *world) register(hosts []string) error {
	slices.Sort(hosts)
	definition, err := json.Marshal(map[string]any{
		"schema_version": 1, "name": others, "display_name": others, "auth_type": "api_key", "flow": "api_key", "host_url": slices.Compact(hosts),
		"inject": []any{map[string]string{"kind": "header", "name": "Authorization", "value": "Bearer {api_key}"}},
		"export": map[string]any{"env": map[string]string{"api_key": "OTHERS_KEY"}},
	})
	if err != nil {
		return err
	}
	file := filepath.Join(w.Dir(), "others.json")
	if err := os.WriteFile(file, definition, 0o600); err != nil {
		return err
	}
	return w.authsome("", "register", "--yes", file)
}

func (w *world) authsome(stdin string, args ...string) error {
	cmd := exec.Command(w.bin, args...)
	cmd.Env, cmd.Stdin = w.env, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("authsome %v: %w: %s", args, err, out)
	}
	return nil
}

// run lets the client make its request.
func (w *world) run(c client) (report, error) {
	w.Reset()
	w.trapped.Store(0)
	dir, err := os.MkdirTemp(w.Dir(), "work")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.bin, append([]string{"run", "--"}, c.Command...)...)
	var out bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = w.env, dir, &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	start := time.Now()
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return report{}, err
	}
	r := w.judge(c)
	r.Code, r.Took, r.Output = cmd.ProcessState.ExitCode(), time.Since(start), tail(out.String())
	for _, hit := range w.FindBytes("output", out.Bytes()) {
		r.Leaks = append(r.Leaks, hit.Where)
	}
	return r, nil
}

func tail(text string) string { return text[max(0, len(text)-1500):] }

// left are the traces that the runs have left, each as a sentence.
func (w *world) left() ([]string, error) {
	files, err := w.files()
	if err != nil {
		return nil, err
	}
	left := []string{}
	for _, path := range files {
		if slices.Contains(w.before, path) {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, syscall.EISDIR) {
			return nil, err
		}
		if strings.Contains(filepath.Base(path), "authsome") || bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----\nMII")) {
			left = append(left, path+" was left behind")
		}
	}
	hits, err := w.Find(w.Dir())
	for _, hit := range hits {
		left = append(left, fmt.Sprintf("a canary %q is in %s", hit.Label, hit.Where))
	}
	return left, err
}

// files are those in the user's HOME and TMPDIR, but for authsome's own home.
func (w *world) files() ([]string, error) {
	var all []string
	for _, folder := range []string{"home", "tmp"} {
		root := filepath.Join(w.Dir(), folder)
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && (entry.Type().IsRegular() || strings.Contains(entry.Name(), "authsome")) {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
