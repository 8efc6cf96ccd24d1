// Package oauth is the client of an authorization server: one file per RFC.
//
// It builds authorization requests, trades codes, refresh tokens and device
// codes for tokens, registers and discovers, and listens for the browser's
// answer. It knows no provider (quirks are data in a Server), no vault and no
// human. The attacker is whoever answers: a hostile or broken authorization
// server, another process on the callback port, a page in the browser. So
// every answer is bounded and read strictly, no redirect is followed, and
// neither an error nor the log ever holds a body, a query or a token.
package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"authsome/internal/secret"
)

// Errors callers tell apart. What an authorization server says is an *Error.
var (
	ErrAnswer = errors.New("answer is not valid")                        // malformed, too large, or not what the RFC allows
	ErrURL    = errors.New("URL is not acceptable")                      // no https, user information, control characters
	ErrIssuer = errors.New("issuer is not the one asked")                // RFC 8414 section 3.3, RFC 9207 section 2.4
	ErrPKCE   = errors.New("server does not offer PKCE with S256")       // RFC 7636; there is no fallback
	ErrClient = errors.New("client can't use this authorization server") // no endpoint, no client id, no secret
)

// What bounds a call: its time, and the answer's size in bytes. A refusal may
// be larger than a token, so that its code is read however long it explains.
const (
	callTimeout = 30 * time.Second
	maxMetadata = 1 << 20
	maxToken    = 256 << 10
	maxError    = 2 << 20
)

// Client calls authorization servers. Its fields are set once; it is safe for
// concurrent use.
type Client struct {
	// Transport carries every request. It is used directly, so a redirect is
	// an answer like any other and is never followed.
	Transport http.RoundTripper
	Log       *slog.Logger // nil: silent
	UserAgent string       // "" sends "authsome"

	// LoopbackHTTP accepts http:// for hosts that are loopback addresses or
	// localhost. It is for servers on this machine; nothing else sets it.
	LoopbackHTTP bool
}

// App is a client as an authorization server knows it (RFC 6749 section 2).
type App struct {
	ClientID     string
	ClientSecret secret.Text // zero for a public client
	AuthMethod   string      // an Auth constant; "" chooses what the server offers
}

// Server is an authorization server: its metadata by the names of RFC 8414
// section 2, and its quirks. It comes from Discover or from a definition.
type Server struct {
	Issuer                      string // "" when unknown: then an iss can't be compared
	AuthorizationEndpoint       string
	TokenEndpoint               string
	DeviceAuthorizationEndpoint string // RFC 8628
	RegistrationEndpoint        string // RFC 7591
	RevocationEndpoint          string // RFC 7009

	ScopesSupported                        []string
	GrantTypesSupported                    []string
	TokenEndpointAuthMethodsSupported      []string // nil: not said
	RevocationEndpointAuthMethodsSupported []string // nil: as at the token endpoint
	CodeChallengeMethodsSupported          []string // nil: not said

	AuthorizationResponseIssParameterSupported bool // RFC 9207

	Quirks Quirks
}

// Quirks is where a server leaves the RFCs. The zero Quirks is none.
type Quirks struct {
	AuthorizationParams map[string]string // added to the authorization request: access_type=offline
	TokenParams         map[string]string // added to every token request: audience
	TokenRequestJSON    bool              // token requests are JSON objects
	DeviceTokenJSON     bool              // device polling posts {"device_code":…} and nothing else

	ScopeParam            string // of the authorization request; "" means scope
	ScopeSeparator        string // between the scopes asked for; "" means a space
	GrantedScopeSeparator string // between the scopes granted, beside a space; "" means ScopeSeparator

	AccessTokenPath string            // "" means access_token; its neighbours are read where it is: authed_user.access_token
	ErrorCodes      map[string]string // the server's own error codes, and the RFC's
	Extra           []string          // paths of text fields to keep from a token answer
	Revocation      *Revocation       // nil means RFC 7009
}

// call is one request to an endpoint.
type call struct {
	endpoint string // its name for errors and log: "token endpoint"
	method   string
	url      string
	header   http.Header
	body     []byte
	limit    int64         // of the answer's body, in bytes; 0 leaves it unread
	secrets  []secret.Text // what a server's words must not repeat
}

// answer is a response, read to its end.
type answer struct {
	status    int
	mediaType string // lower case, without parameters; "" when missing or malformed
	header    http.Header
	body      []byte
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// do sends one request and reads its bounded answer. A redirect is an *Error.
func (c *Client) do(ctx context.Context, k call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := c.request(ctx, k)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", k.endpoint, err)
	}
	start := time.Now()
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		c.log(ctx, k, req.URL.Host, 0, start)
		return answer{}, &transportError{k.endpoint, req.URL.Host, err}
	}
	defer resp.Body.Close()
	a, err := read(resp, k)
	c.log(ctx, k, req.URL.Host, resp.StatusCode, start)
	if err != nil {
		if errors.Is(err, ErrAnswer) {
			return answer{}, fmt.Errorf("%s: %w", k.endpoint, err)
		}
		return answer{}, &transportError{k.endpoint, req.URL.Host, err}
	}
	if a.status >= 300 && a.status < 400 {
		return answer{}, fmt.Errorf("%s: %w", k.endpoint, &Error{Status: a.status})
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	if err := c.CheckURL(k.url); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, k.method, k.url, bytes.NewReader(k.body))
	if err != nil {
		return nil, ErrURL
	}
	for name, values := range k.header {
		req.Header[name] = values
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	req.Header.Set("User-Agent", c.userAgent())
	return req, nil
}

func (c *Client) userAgent() string {
	if c.UserAgent == "" {
		return "authsome"
	}
	return c.UserAgent
}

// read takes in the whole body, or refuses it.
func read(resp *http.Response, k call) (answer, error) {
	limit := k.limit
	if limit == 0 {
		return answer{status: resp.StatusCode, header: resp.Header}, nil
	}
	if resp.StatusCode >= 400 {
		limit = maxError
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return answer{}, err
	}
	if int64(len(body)) > limit {
		return answer{}, fmt.Errorf("%w: longer than %d bytes", ErrAnswer, limit)
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	return answer{resp.StatusCode, mediaType, resp.Header, body}, nil
}

// log writes the outline of a call, never what was in it. Status 0 is no answer.
func (c *Client) log(ctx context.Context, k call, host string, status int, start time.Time) {
	if c.Log == nil {
		return
	}
	c.Log.DebugContext(ctx, "oauth", "endpoint", k.endpoint, "host", host, "method", k.method,
		"status", status, "dur", time.Since(start))
}
