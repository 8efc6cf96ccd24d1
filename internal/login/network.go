package login

import (
	"errors"
	"log/slog"
	"net/http"

	"authsome/internal/oauth"
)

// Network is how authorization servers are reached. The zero Network reaches
// none.
type Network struct {
	client *oauth.Client
}

// NewNetwork returns a Network that sends every request over transport, which
// must verify TLS. Its log holds no secret.
func NewNetwork(transport http.RoundTripper, log *slog.Logger) Network {
	return Network{&oauth.Client{Transport: transport, Log: log}}
}

var errNoNetwork = errors.New("there is no network to log in over")

// oauth returns the client of authorization servers.
func (n Network) oauth() (*oauth.Client, error) {
	if n.client == nil || n.client.Transport == nil {
		return nil, errNoNetwork
	}
	return n.client, nil
}
