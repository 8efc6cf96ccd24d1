package login

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"

	"authsome/internal/oauth"
	"authsome/internal/provider"
)

// Redirect URIs by their name in a definition. One without a port is served on
// any free port (RFC 8252 section 7.3).
var redirectURIs = map[string]string{
	"":                         "http://127.0.0.1/callback",
	provider.RedirectLoopback:  "http://127.0.0.1/callback",
	provider.RedirectFixed:     "http://127.0.0.1:7999/callback",
	provider.RedirectLocalhost: "http://localhost:7999/callback",
}

// redirectURI is what the app was registered with: the client knows it, or the
// definition.
func redirectURI(o *provider.OAuth, c *Client) string {
	if c != nil && c.RedirectURI != "" {
		return c.RedirectURI
	}
	return redirectURIs[o.Redirect]
}

// redirect is where the browser comes back to.
type redirect struct {
	*oauth.Redirect
	uri   string // as the app was registered, with the port in use
	front *front // nil unless uri names localhost
}

// listen opens the endpoint of a redirect URI, "" for one that nobody else can
// know: a free port and a random path.
func listen(ctx context.Context, uri string) (*redirect, error) {
	if uri == "" {
		return listenAt(ctx, netip.AddrPort{}, "")
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" {
		return nil, unfit(uri)
	}
	port, err := strconv.ParseUint("0"+u.Port(), 10, 16)
	if err != nil {
		return nil, unfit(uri)
	}
	r, err := listenFor(ctx, u, uint16(port))
	if err != nil {
		return nil, err
	}
	if port != 0 {
		r.uri = uri // compared by the server character by character
	}
	return r, nil
}

func unfit(uri string) error {
	return fmt.Errorf("%w: redirect URI %q is not one of this machine: http, with 127.0.0.1, [::1] or localhost, and a path", ErrClient, uri)
}

func listenFor(ctx context.Context, u *url.URL, port uint16) (*redirect, error) {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.Hostname() == "localhost" {
		return listenLocalhost(ctx, port, path)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil || !addr.IsLoopback() {
		return nil, unfit(u.String())
	}
	return listenAt(ctx, netip.AddrPortFrom(addr, port), path)
}

func listenAt(ctx context.Context, addr netip.AddrPort, path string) (*redirect, error) {
	r, err := oauth.ListenRedirect(ctx, addr, path)
	if err != nil {
		return nil, taken(addr.Port(), err)
	}
	return &redirect{Redirect: r, uri: r.URI()}, nil
}

// taken says what to do about a port that can't be had.
func taken(port uint16, err error) error {
	if port == 0 {
		return fmt.Errorf("%w: %w", ErrRedirect, err)
	}
	return fmt.Errorf("%w: port %d of this machine, which the OAuth app is registered with, is taken: end what holds it (another login?) and try again: %w",
		ErrRedirect, port, err)
}

// close frees the port. It does no harm after Wait, which has freed it.
func (r *redirect) close() {
	_ = r.Close()
	if r.front != nil {
		r.front.close()
	}
}
