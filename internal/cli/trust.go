package cli

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"authsome/internal/ca"
	"authsome/internal/child"
)

// trust is what the programs of a run are told to trust: an authority made at
// its start for all hosts known then, and a further one whenever a definition
// that was registered later claims new hosts. Programs that start after that
// find it in the run's files; those that read the files before do not.
type trust struct {
	dir   *child.RunDir
	own   []byte // PEM, of the user's environment
	known func() []string

	mu          sync.Mutex // guards what follows
	authorities []*ca.Authority
	hosts       []string // of all authorities
}

// newTrust makes the first authority and writes the run's files. known returns
// the host patterns that can be claimed now.
func newTrust(dir *child.RunDir, own []byte, hosts []string, known func() []string) (t *trust, rootPath, bundlePath string, err error) {
	t = &trust{dir: dir, own: own, known: known}
	rootPath, bundlePath, err = t.extend(hosts)
	return t, rootPath, bundlePath, err
}

// extend makes an authority for hosts and writes the files anew. The caller
// holds mu, or is alone.
func (t *trust) extend(hosts []string) (rootPath, bundlePath string, err error) {
	authority, err := ca.New(hosts)
	if err != nil {
		return "", "", err
	}
	all := append(slices.Clone(t.authorities), authority)
	var extra []byte // ours first: who takes one certificate takes the first
	for _, a := range all {
		extra = append(extra, a.PEM()...)
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
	t.authorities, t.hosts = all, append(t.hosts, hosts...)
	return rootPath, bundlePath, nil
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
