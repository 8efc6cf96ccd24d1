package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Discover fetches the metadata of the server with an issuer identifier (RFC
// 8414 section 3, then OpenID Connect Discovery section 4). It fails with
// ErrIssuer when the metadata name another, and never looks further then.
func (c *Client) Discover(ctx context.Context, issuer string) (Server, error) {
	if err := c.CheckURL(issuer); err != nil || strings.Contains(issuer, "?") {
		return Server{}, fmt.Errorf("issuer: %w", ErrURL)
	}
	var err error
	for _, at := range wellKnownServer(issuer) {
		var o object
		if o, err = c.metadata(ctx, "server metadata", at); err != nil {
			if elsewhere(err) {
				continue
			}
			return Server{}, err
		}
		s, err := c.parseServer(o, issuer)
		if err != nil {
			return Server{}, fmt.Errorf("server metadata: %w", err)
		}
		return s, nil
	}
	return Server{}, err
}

// errNotHere says that a URL has no metadata: another may.
var errNotHere = fmt.Errorf("%w: no metadata here", ErrAnswer)

// elsewhere reports whether the next well-known URL is worth asking.
func elsewhere(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status >= 300 && e.Status < 500
	}
	return errors.Is(err, errNotHere)
}

// wellKnownServer lists where metadata may be. A path of the issuer comes
// after the well-known part (RFC 8414 section 3.1), or before OpenID's.
func wellKnownServer(issuer string) []string {
	urls := []string{wellKnown(issuer, "oauth-authorization-server"), wellKnown(issuer, "openid-configuration")}
	appended := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	if !slices.Contains(urls, appended) {
		urls = append(urls, appended)
	}
	return urls
}

// wellKnown inserts a well-known name between an identifier's host and path.
func wellKnown(identifier, name string) string {
	u, err := url.Parse(identifier)
	if err != nil {
		return ""
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	query := ""
	if u.RawQuery != "" {
		query = "?" + u.RawQuery
	}
	return u.Scheme + "://" + u.Host + "/.well-known/" + name + path + query
}

// metadata fetches one JSON document.
func (c *Client) metadata(ctx context.Context, endpoint, at string) (object, error) {
	a, err := c.do(ctx, call{endpoint: endpoint, method: http.MethodGet, url: at, limit: maxMetadata})
	switch {
	case err != nil:
		return nil, err
	case !a.ok():
		return nil, fmt.Errorf("%s: %w", endpoint, &Error{Status: a.status})
	case a.mediaType == "text/html": // a site that answers every path with a page
		return nil, fmt.Errorf("%s: %w", endpoint, errNotHere)
	}
	o, err := parseObject(a.body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", endpoint, err)
	}
	return o, nil
}

// parseServer checks metadata and reads it (RFC 8414 section 2).
func (c *Client) parseServer(o object, issuer string) (s Server, err error) {
	if s.Issuer, err = o.text("issuer"); err != nil {
		return Server{}, err
	}
	if s.Issuer != issuer { // compared as it stands: RFC 8414 section 3.3
		return Server{}, ErrIssuer
	}
	for name, field := range map[string]*string{
		"authorization_endpoint":        &s.AuthorizationEndpoint,
		"token_endpoint":                &s.TokenEndpoint,
		"device_authorization_endpoint": &s.DeviceAuthorizationEndpoint,
		"registration_endpoint":         &s.RegistrationEndpoint,
		"revocation_endpoint":           &s.RevocationEndpoint,
	} {
		if *field, err = c.endpoint(o, name); err != nil {
			return Server{}, err
		}
	}
	for name, field := range map[string]*[]string{
		"scopes_supported":                           &s.ScopesSupported,
		"grant_types_supported":                      &s.GrantTypesSupported,
		"token_endpoint_auth_methods_supported":      &s.TokenEndpointAuthMethodsSupported,
		"revocation_endpoint_auth_methods_supported": &s.RevocationEndpointAuthMethodsSupported,
		"code_challenge_methods_supported":           &s.CodeChallengeMethodsSupported,
	} {
		if *field, err = o.texts(name); err != nil {
			return Server{}, err
		}
	}
	s.AuthorizationResponseIssParameterSupported, err = o.flag("authorization_response_iss_parameter_supported")
	return s, err
}

// endpoint reads a URL that may be missing.
func (c *Client) endpoint(o object, name string) (string, error) {
	s, err := o.text(name)
	if err != nil || s == "" {
		return "", err
	}
	if err := c.CheckURL(s); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// ForeignOrigins returns the origins, https://host[:port], of endpoints that
// are not the issuer's, sorted. The RFC allows them, and large services have
// them; a human who is asked to trust the server should see them.
func (s Server) ForeignOrigins() []string {
	var foreign []string
	for _, e := range []string{s.AuthorizationEndpoint, s.TokenEndpoint, s.DeviceAuthorizationEndpoint, s.RegistrationEndpoint, s.RevocationEndpoint} {
		if o := origin(e); e != "" && o != origin(s.Issuer) && !slices.Contains(foreign, o) {
			foreign = append(foreign, o)
		}
	}
	slices.Sort(foreign)
	return foreign
}

// origin is a URL's scheme, host and port in lower case, "" for no URL.
func origin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}
