package oauth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// maxServers bounds how many authorization servers a resource may name.
const maxServers = 16

// ProtectedResource is the metadata of an API (RFC 9728 section 2).
type ProtectedResource struct {
	Resource             string   // as the metadata name it
	AuthorizationServers []string // issuers; at least one
	ScopesSupported      []string
}

// DiscoverResource finds the metadata of an API by its URL: where the API's
// own refusal says (RFC 9728 section 5.1), else at the well-known places. The
// metadata must be about that URL, or, where they are found for the whole
// host, about its origin.
func (c *Client) DiscoverResource(ctx context.Context, resource string) (ProtectedResource, error) {
	if err := c.CheckURL(resource); err != nil {
		return ProtectedResource{}, fmt.Errorf("resource: %w", err)
	}
	if at, err := c.askResource(ctx, resource); err != nil {
		return ProtectedResource{}, err
	} else if at != "" {
		return c.resourceMetadata(ctx, at, resource, origin(resource))
	}
	exact := wellKnown(resource, "oauth-protected-resource")
	p, err := c.resourceMetadata(ctx, exact, resource)
	if root := wellKnown(origin(resource), "oauth-protected-resource"); err != nil && elsewhere(err) && root != exact {
		return c.resourceMetadata(ctx, root, resource, origin(resource))
	}
	return p, err
}

// askResource requests the resource without a credential, for the
// resource_metadata of its refusal: "" when it names none.
func (c *Client) askResource(ctx context.Context, resource string) (string, error) {
	k := call{endpoint: "resource", method: http.MethodGet, url: resource} // its body may have no end
	k.header = http.Header{"Accept": {"application/json, text/event-stream"}}
	a, err := c.do(ctx, k)
	if is[*Error](err) || err == nil && a.status != http.StatusUnauthorized {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	challenges, err := ParseChallenges(a.header.Values("WWW-Authenticate"))
	if err != nil {
		return "", fmt.Errorf("resource: %w", err)
	}
	for _, challenge := range challenges {
		if at := challenge.Params["resource_metadata"]; at != "" {
			return at, nil
		}
	}
	return "", nil
}

// resourceMetadata fetches and checks metadata, which must be about resource
// or one of the others, with or without a final slash.
func (c *Client) resourceMetadata(ctx context.Context, at, resource string, others ...string) (p ProtectedResource, err error) {
	o, err := c.metadata(ctx, "resource metadata", at)
	if err != nil {
		return p, err
	}
	if p, err = c.parseResource(o); err != nil {
		return ProtectedResource{}, fmt.Errorf("resource metadata: %w", err)
	}
	for _, about := range append(others, resource) {
		if strings.TrimSuffix(p.Resource, "/") == strings.TrimSuffix(about, "/") {
			return p, nil
		}
	}
	return ProtectedResource{}, fmt.Errorf("resource metadata: %w: they are about another resource", ErrAnswer)
}

func (c *Client) parseResource(o object) (p ProtectedResource, err error) {
	if p.Resource, err = o.text("resource"); err != nil {
		return p, err
	}
	if p.AuthorizationServers, err = o.texts("authorization_servers"); err != nil {
		return p, err
	}
	if n := len(p.AuthorizationServers); n == 0 || n > maxServers {
		return p, fmt.Errorf("%w: %d authorization_servers", ErrAnswer, n)
	}
	for _, issuer := range p.AuthorizationServers {
		if err := c.CheckURL(issuer); err != nil {
			return p, fmt.Errorf("authorization_servers: %w", err)
		}
	}
	p.ScopesSupported, err = o.texts("scopes_supported")
	return p, err
}

// Challenge is one challenge of a WWW-Authenticate header (RFC 9110 section
// 11.6.1).
type Challenge struct {
	Scheme  string            // lower case
	Token68 string            // instead of Params
	Params  map[string]string // names in lower case; nil when there are none
}

// ParseChallenges reads the values of WWW-Authenticate headers. The error
// wraps ErrAnswer.
func ParseChallenges(headers []string) ([]Challenge, error) {
	var all []Challenge
	for _, h := range headers {
		p := challengeParser{rest: h}
		challenges, ok := p.list()
		if !ok {
			return nil, fmt.Errorf("%w: malformed WWW-Authenticate", ErrAnswer)
		}
		all = append(all, challenges...)
	}
	return all, nil
}

// challengeParser eats a header's value from the left.
type challengeParser struct{ rest string }

// list reads challenges separated by commas, as are the parameters of one: a
// word that no "=" follows begins the next challenge.
func (p *challengeParser) list() (all []Challenge, ok bool) {
	for {
		p.skip(" \t,")
		if p.rest == "" {
			return all, true
		}
		scheme := p.word()
		if scheme == "" {
			return nil, false
		}
		challenge, ok := p.challenge(strings.ToLower(scheme))
		if !ok {
			return nil, false
		}
		all = append(all, challenge)
	}
}

func (p *challengeParser) challenge(scheme string) (Challenge, bool) {
	c := Challenge{Scheme: scheme}
	if p.rest != "" && strings.IndexByte(" \t,", p.rest[0]) < 0 {
		return c, false
	}
	p.skip(" \t")
	if c.Token68 = p.token68(); c.Token68 != "" {
		return c, true
	}
	for {
		before := p.rest
		p.skip(" \t,")
		name := strings.ToLower(p.word())
		p.skip(" \t")
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			p.rest = before // of the next challenge, or nothing
			return c, name != "" || strings.Trim(before, " \t,") == ""
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		value, ok := p.value()
		if _, twice := c.Params[name]; !ok || twice {
			return c, false
		}
		if c.Params == nil {
			c.Params = map[string]string{}
		}
		c.Params[name] = value
	}
}

func (p *challengeParser) skip(chars string) { p.rest = strings.TrimLeft(p.rest, chars) }

// word reads a token (RFC 9110 section 5.6.2), "" when there is none.
func (p *challengeParser) word() string {
	n := 0
	for n < len(p.rest) && isTokenByte(p.rest[n]) {
		n++
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

func isTokenByte(b byte) bool {
	return b > ' ' && b < 0x7f && strings.IndexByte(`"(),/:;<=>?@[\]{}`, b) < 0
}

// token68 reads one that fills the challenge up to a comma or the end.
func (p *challengeParser) token68() string {
	n := 0
	for n < len(p.rest) && (isTokenByte(p.rest[n]) || p.rest[n] == '/') {
		n++
	}
	if n == 0 {
		return ""
	}
	for n < len(p.rest) && p.rest[n] == '=' {
		n++
	}
	after := strings.TrimLeft(p.rest[n:], " \t")
	if after != "" && after[0] != ',' {
		return ""
	}
	token := p.rest[:n]
	p.rest = after
	return token
}

// value reads a token or a quoted string.
func (p *challengeParser) value() (string, bool) {
	if !strings.HasPrefix(p.rest, `"`) {
		word := p.word()
		return word, word != ""
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		ch := p.rest[i]
		if ch == '"' {
			p.rest = p.rest[i+1:]
			return b.String(), true
		}
		if ch == '\\' && i+1 < len(p.rest) {
			i++
			ch = p.rest[i]
		}
		if ch < ' ' && ch != '\t' || ch == 0x7f {
			return "", false
		}
		b.WriteByte(ch)
	}
	return "", false
}
