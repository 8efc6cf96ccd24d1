package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"authsome/internal/secret"
)

// The pace of polling (RFC 8628 sections 3.2 and 3.5), and its bounds.
const (
	defaultInterval  = 5 * time.Second
	slowerBy         = 5 * time.Second
	maxBackoff       = time.Minute
	maxInterval      = time.Hour
	defaultDeviceTTL = 15 * time.Minute
	maxDeviceTTL     = time.Hour
	maxUserCode      = 64
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// DeviceAuthorization is what the human is told, and the code to poll with
// (RFC 8628 section 3.2). Its texts are safe to print and its URLs to open.
type DeviceAuthorization struct {
	DeviceCode              secret.Text
	UserCode                string
	VerificationURI         string
	VerificationURIComplete string // "" when there is none
	Expiry                  time.Time
	Interval                time.Duration // at least, between polls
}

// AuthorizeDevice asks for a device code. An empty client id is not sent: some
// servers serve one client only.
func (c *Client) AuthorizeDevice(ctx context.Context, s Server, a App, scopes, resources []string) (DeviceAuthorization, error) {
	form := url.Values{}
	if len(scopes) > 0 {
		form.Set("scope", s.Quirks.joinScopes(scopes))
	}
	if err := addResources(form, resources); err != nil {
		return DeviceAuthorization{}, err
	}
	k := call{endpoint: "device authorization endpoint", url: s.DeviceAuthorizationEndpoint, limit: maxToken, header: http.Header{}}
	k.secrets = []secret.Text{a.ClientSecret}
	if err := a.authenticate(k.header, form, s.TokenEndpointAuthMethodsSupported); err != nil {
		return DeviceAuthorization{}, fmt.Errorf("%s: %w", k.endpoint, err)
	}
	k.form(form)
	now := time.Now()
	answer, err := c.do(ctx, k)
	if err != nil {
		return DeviceAuthorization{}, err
	}
	d, err := c.parseDevice(answer, now, s.Quirks, k.secrets)
	if err != nil {
		return DeviceAuthorization{}, fmt.Errorf("%s: %w", k.endpoint, err)
	}
	return d, nil
}

func (c *Client) parseDevice(a answer, now time.Time, q Quirks, secrets []secret.Text) (d DeviceAuthorization, err error) {
	if !a.ok() {
		return d, c.refusal(a, q.ErrorCodes, secrets)
	}
	o, err := decode(a)
	if err != nil {
		return d, err
	}
	if o.refuses() {
		return d, c.errorFrom(a.status, o, q.ErrorCodes, secrets)
	}
	if d.DeviceCode, err = o.secret("device_code"); err != nil {
		return d, err
	}
	if d.UserCode, err = o.text("user_code"); err != nil {
		return d, err
	}
	if d.DeviceCode.IsZero() || d.UserCode == "" || d.UserCode != Clean(d.UserCode, maxUserCode) {
		return DeviceAuthorization{}, fmt.Errorf("%w: missing or malformed device_code or user_code", ErrAnswer)
	}
	if d.VerificationURI, d.VerificationURIComplete, err = c.verificationURIs(o); err != nil {
		return DeviceAuthorization{}, err
	}
	d.Interval, d.Expiry = devicePace(o, now)
	return d, nil
}

// verificationURIs reads where the human is sent. The complete one must be on
// the same origin, or it is left out: only the other one is shown in full.
func (c *Client) verificationURIs(o object) (uri, complete string, err error) {
	if uri, err = c.endpoint(o, "verification_uri"); err == nil && uri == "" {
		uri, err = c.endpoint(o, "verification_url") // an earlier draft's name
	}
	if err != nil || uri == "" {
		return "", "", fmt.Errorf("%w: missing or unacceptable verification_uri", ErrAnswer)
	}
	if complete, err = c.endpoint(o, "verification_uri_complete"); err != nil {
		return "", "", fmt.Errorf("%w: unacceptable verification_uri_complete", ErrAnswer)
	}
	if origin(complete) != origin(uri) {
		complete = ""
	}
	return uri, complete, nil
}

// devicePace reads interval and expires_in, bounded.
func devicePace(o object, now time.Time) (interval time.Duration, expiry time.Time) {
	interval = defaultInterval
	if said := o.lifetime("interval"); said > 0 {
		interval = min(said, maxInterval)
	}
	ttl := defaultDeviceTTL
	if said := o.lifetime("expires_in"); said > 0 {
		ttl = min(said, maxDeviceTTL)
	}
	return interval, now.Add(ttl)
}

// PollDevice waits until the human has approved, and returns the token. It
// ends with an *Error of code AccessDenied, ExpiredToken (also when the code's
// time is over) or whatever else the server refuses with, or with the
// context's error. A network fault or an ailing server only slows it down.
func (c *Client) PollDevice(ctx context.Context, s Server, a App, d DeviceAuthorization, scopes []string) (Token, error) {
	interval := d.Interval
	if interval <= 0 {
		interval = defaultInterval
	}
	backoff := interval
	for {
		if err := sleep(ctx, min(max(interval, backoff), time.Until(d.Expiry))); err != nil {
			return Token{}, err
		}
		if !time.Now().Before(d.Expiry) {
			return Token{}, fmt.Errorf("token endpoint: %w", &Error{Code: ExpiredToken, Description: "the device code was not approved in time"})
		}
		t, err := c.deviceToken(ctx, s, a, d.DeviceCode, scopes)
		switch code := Code(err); {
		case err == nil:
			return t, nil
		case ctx.Err() != nil:
			return Token{}, ctx.Err()
		case code == AuthorizationPending:
			backoff = interval
		case code == SlowDown:
			interval = min(interval+slowerBy, maxInterval)
			backoff = interval
		case unanswered(err):
			backoff = min(2*backoff, max(maxBackoff, interval))
		default:
			return Token{}, err
		}
	}
}

// unanswered reports whether a request failed without a decision: worth
// repeating.
func unanswered(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Temporary()
	}
	return is[*transportError](err)
}

// deviceToken polls once (RFC 8628 section 3.4).
func (c *Client) deviceToken(ctx context.Context, s Server, a App, code secret.Text, scopes []string) (Token, error) {
	form := url.Values{"grant_type": {deviceGrant}, "device_code": {code.Reveal()}}
	g := grant{form: form, scopes: scopes, secrets: []secret.Text{code}}
	if a.ClientID != "" && !s.Quirks.DeviceTokenJSON {
		return c.token(ctx, s, a, g)
	}
	k := call{endpoint: "token endpoint", url: s.TokenEndpoint, limit: maxToken, secrets: g.secrets}
	if s.Quirks.DeviceTokenJSON {
		k.json(map[string]string{"device_code": code.Reveal()})
	} else {
		k.form(form)
	}
	return c.requestToken(ctx, k, s.Quirks, g)
}

// sleep waits for d, or for the context's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
