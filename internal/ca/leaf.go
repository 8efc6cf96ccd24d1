package ca

import (
	"container/list"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
)

// ErrNotPermitted is wrapped when a leaf is asked for that no validator would
// accept, or that the run has no business issuing.
var ErrNotPermitted = errors.New("host outside the run's certificate authority")

// maxLeaves bounds the cache: below a wildcard a client can ask for any number
// of names.
const maxLeaves = 1024

// Leaf returns the certificate for host, an exact name or IP address in lower
// case without port or brackets. It is minted on first use, once however many
// ask at the same time, and shared: callers must not change it. The error
// wraps ErrNotPermitted.
func (a *Authority) Leaf(host string) (*tls.Certificate, error) {
	if !a.hosts.permits(host) {
		return nil, fmt.Errorf("%.80q: %w", host, ErrNotPermitted)
	}
	cert, err := a.leaves.get(host, a.mint)()
	if err != nil {
		return nil, fmt.Errorf("%s: leaf certificate: %w", host, err)
	}
	return cert, nil
}

func (a *Authority) mint(host string) (*x509.Certificate, error) {
	der, err := a.sign(a.leafTemplate(host))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// leafCache keeps the most recently used leaves, which share one key.
type leafCache struct {
	key   crypto.Signer
	chain [][]byte // DER, sent after each leaf

	mu     sync.Mutex
	byHost map[string]*list.Element // of leafEntry
	recent list.List                // front: most recently used
}

type leafEntry struct {
	host string
	cert func() (*tls.Certificate, error)
}

// get returns the function that waits for host's leaf; the first to call it
// runs mint.
func (c *leafCache) get(host string, mint func(string) (*x509.Certificate, error)) func() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byHost[host]; ok {
		c.recent.MoveToFront(e)
		return e.Value.(leafEntry).cert
	}
	if c.byHost == nil {
		c.byHost = map[string]*list.Element{}
	}
	entry := leafEntry{host, sync.OnceValues(func() (*tls.Certificate, error) {
		leaf, err := mint(host)
		if err != nil {
			return nil, err
		}
		return &tls.Certificate{Certificate: append([][]byte{leaf.Raw}, c.chain...), PrivateKey: c.key, Leaf: leaf}, nil
	})}
	c.byHost[host] = c.recent.PushFront(entry)
	if c.recent.Len() > maxLeaves {
		oldest := c.recent.Remove(c.recent.Back()).(leafEntry)
		delete(c.byHost, oldest.host)
	}
	return entry.cert
}
