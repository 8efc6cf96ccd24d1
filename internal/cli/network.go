package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"authsome/internal/login"
)

// network is how authsome itself reaches authorization servers: through the
// parent proxy of its environment, over TLS verified against the system's
// roots and the user's. Nothing is read or opened before the first request.
func (a *app) network() login.Network {
	return login.NewNetwork(&lazyTransport{build: a.transport}, a.log)
}

// lazyTransport makes its transport at the first request.
type lazyTransport struct {
	build func() (*http.Transport, error)
	once  sync.Once
	made  *http.Transport
	err   error
}

// RoundTrip sends r.
func (l *lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	l.once.Do(func() { l.made, l.err = l.build() })
	if l.err != nil {
		return nil, l.err
	}
	return l.made.RoundTrip(r)
}

func (a *app) transport() (*http.Transport, error) {
	roots, err := a.upstreamRoots()
	if err != nil {
		return nil, err
	}
	parent, err := a.parentProxy()
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			return parent(r.URL.Hostname(), portOf(r.URL), r.URL.Scheme)
		},
		OnProxyConnectResponse: refusedByParent,
		DialContext:            (&net.Dialer{Timeout: 20 * time.Second, Resolver: &net.Resolver{PreferGo: true}}).DialContext,
		TLSClientConfig:        upstreamTLS(roots),
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        30 * time.Second,
	}, nil
}

func upstreamTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// portOf returns the port of an http or https URL.
func portOf(u *url.URL) uint16 {
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(port)
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}

// refusedByParent tells a parent proxy's refusal from the server's.
func refusedByParent(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
	if r.StatusCode == http.StatusOK {
		return nil
	}
	return &net.OpError{Op: "proxyconnect", Net: "tcp", Err: errors.New("the parent proxy answered " + r.Status)}
}
