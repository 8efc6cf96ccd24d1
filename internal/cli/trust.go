package cli

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"authsome/internal/ca"
	"authsome/internal/child"
)

// trust is what the programs of a run are told to trust: an authority made at
// its start for all hosts known then, and a further one whenever a definition
// that was registered later claims new hosts. Programs that start after that
// find it in the run's files; those that read the files before do not. Where a
// root is installed, the hosts it is good for have authorities below it.
type trust struct {
	root  *ca.Root // nil for none
	dir   *child.RunDir
	own   []byte          // PEM, of the user's environment
	java  bool            // whether a trust store for Java is wanted
	known func() []string // the host patterns that can be claimed now

	mu          sync.Mutex // guards what follows
	authorities []*ca.Authority
	hosts       []string // of all authorities
}

// authoritiesFor makes the authorities for hosts: below the root for those
// within its constraints, one of the run's own for the rest.
func (t *trust) authoritiesFor(hosts []string) (all []*ca.Authority, err error) {
	if t.root != nil {
		var inside []string
		if inside, hosts = t.root.Split(hosts); len(inside) > 0 {
			below, err := t.root.Issue(inside)
			if err != nil {
				return nil, err
			}
			all = append(all, below)
		}
	}
	if len(hosts) > 0 || len(all) == 0 {
		own, err := ca.New(hosts)
		if err != nil {
			return nil, err
		}
		all = append(all, own)
	}
	return all, nil
}

// notAfter is when the first of the authorities ends.
func (t *trust) notAfter() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.MinFunc(t.authorities, func(a, b *ca.Authority) int { return a.NotAfter().Compare(b.NotAfter()) }).NotAfter()
}

// extend makes authorities for hosts and writes the files anew. The caller
// holds mu, or is alone.
func (t *trust) extend(hosts []string) (rootPath, bundlePath string, err error) {
	added, err := t.authoritiesFor(hosts)
	if err != nil {
		return "", "", err
	}
	all := append(slices.Clone(t.authorities), added...)
	var extra []byte // ours first: who takes one certificate takes the first
	var keys []string
	for _, a := range all {
		extra, keys = append(extra, a.PEM()...), append(keys, a.SPKI())
	}
	if _, err := t.dir.Write(spkiFile, strings.NewReader(strings.Join(keys, ","))); err != nil {
		return "", "", err
	}
	extra = ca.Bundle(extra, t.own)
	if rootPath, err = t.dir.Write("ca.pem", bytes.NewReader(extra)); err != nil {
		return "", "", err
	}
	system, err := ca.SystemBundle()
	if err != nil {
		return "", "", err
	}
	defer system.Close()
	if bundlePath, err = t.dir.Write("bundle.pem", io.MultiReader(system, strings.NewReader("\n"), bytes.NewReader(extra))); err != nil {
		return "", "", err
	}
	if err := t.writeJava(extra); err != nil {
		return "", "", err
	}
	t.authorities, t.hosts = all, append(t.hosts, hosts...)
	return rootPath, bundlePath, nil
}

const javaStore = "trust.p12"

// spkiFile has the hashes of the keys of the run's certificates, beside ca.pem:
// the shim and `ca show --spki` look there.
const spkiFile = "spki.txt"

// javaPath is where the trust store for Java is, "" without one.
func (t *trust) javaPath() string {
	if !t.java {
		return ""
	}
	return filepath.Join(t.dir.Path(), javaStore)
}

// writeJava writes the certificates of the bundle, of which extra are those
// that the system has not, once more. The bundle is the child's by now, so it
// is not read.
func (t *trust) writeJava(extra []byte) error {
	if !t.java {
		return nil
	}
	store, err := ca.JavaStore(extra)
	if err == nil {
		_, err = t.dir.Write(javaStore, bytes.NewReader(store))
	}
	return err
}

// leaf returns the certificate for a claimed host.
func (t *trust) leaf(host string) (*tls.Certificate, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	cert, err := t.issue(host)
	if !errors.Is(err, ca.ErrNotPermitted) {
		return cert, err
	}
	added := slices.DeleteFunc(t.known(), func(h string) bool { return slices.Contains(t.hosts, h) })
	if len(added) == 0 {
		return nil, err
	}
	if _, _, err := t.extend(added); err != nil {
		return nil, err
	}
	return t.issue(host)
}

// issue asks the authorities in the order they were made: a program that
// started early knows the first ones only.
func (t *trust) issue(host string) (cert *tls.Certificate, err error) {
	for _, a := range t.authorities {
		if cert, err = a.Leaf(host); !errors.Is(err, ca.ErrNotPermitted) {
			return cert, err
		}
	}
	return nil, err
}
