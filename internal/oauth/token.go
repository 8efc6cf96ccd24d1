package oauth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"authsome/internal/secret"
)

// Bounds of what a token answer may hold.
const (
	maxSecret   = 16<<10 - 1 // bytes; a longer one fits no header line
	maxScopes   = 1000
	maxLifetime = 10 * 365 * 24 * time.Hour
)

// Token is a successful token answer (RFC 6749 section 5.1).
type Token struct {
	AccessToken  secret.Text
	RefreshToken secret.Text       // zero when there is none
	TokenType    string            // as sent; "Bearer" when not said
	Expiry       time.Time         // by the local clock, with its monotonic reading; zero when not said
	Scopes       []string          // as granted
	Extra        map[string]string // what Quirks.Extra names, cleaned: unverified words of the server
}

// tokenAnswer is Token before the request's time and scopes are applied.
type tokenAnswer struct {
	Token
	lifetime  time.Duration // zero: not said
	scopeSaid bool
}

// token fills in what depends on the request. A server that names no scope
// granted what was asked (RFC 6749 section 5.1).
func (r tokenAnswer) token(requested time.Time, scopes []string) Token {
	t := r.Token
	if r.lifetime > 0 {
		t.Expiry = requested.Add(r.lifetime)
	}
	if !r.scopeSaid {
		t.Scopes = slices.Clone(scopes)
	}
	return t
}

// parseToken reads the answer of a token endpoint. An error may come with
// status 200. An id_token is not looked at: nothing here rests on it.
func (c *Client) parseToken(a answer, q Quirks, grantType string, secrets []secret.Text) (tokenAnswer, error) {
	if !a.ok() {
		return tokenAnswer{}, c.refusal(a, q.ErrorCodes, secrets)
	}
	top, err := decode(a)
	if err != nil {
		return tokenAnswer{}, err
	}
	if top.refuses() {
		return tokenAnswer{}, c.errorFrom(a.status, top, q.ErrorCodes, secrets)
	}
	o, name := top.holder(q.AccessTokenPath, grantType)
	r, err := o.tokenAnswer(name, q)
	if err != nil {
		return tokenAnswer{}, err
	}
	for _, path := range q.Extra {
		if holder, name, ok := top.within(path); ok && !isSecretName(name) {
			r.keep(path, holder.lenient(name), r.AccessToken, r.RefreshToken)
		}
	}
	return r, nil
}

// holder finds the object that holds the access token. A server that nests
// the token of a code puts that of a refresh on top; with a code the top would
// be another's token, so there it is not looked at.
func (o object) holder(path, grantType string) (object, string) {
	if path == "" {
		path = "access_token"
	}
	inner, name, ok := o.within(path)
	switch {
	case ok && inner.has(name):
		return inner, name
	case grantType == "refresh_token":
		return o, "access_token"
	}
	return object{}, name
}

func (o object) tokenAnswer(name string, q Quirks) (r tokenAnswer, err error) {
	if r.AccessToken, err = o.secret(name); err != nil {
		return r, err
	}
	if r.AccessToken.IsZero() {
		return r, fmt.Errorf("%w: no %s", ErrAnswer, name)
	}
	if r.RefreshToken, err = o.secret("refresh_token"); err != nil {
		return r, err
	}
	if r.TokenType, err = o.tokenType(); err != nil {
		return r, err
	}
	r.lifetime = o.lifetime("expires_in")
	r.Scopes, r.scopeSaid, err = o.scopes(q)
	return r, err
}

// keep stores a field of Extra unless it repeats a token.
func (r *tokenAnswer) keep(path, value string, tokens ...secret.Text) {
	value = Clean(hide(value, tokens), maxDescription)
	if value == "" {
		return
	}
	if r.Extra == nil {
		r.Extra = map[string]string{}
	}
	r.Extra[path] = value
}

// isSecretName reports whether a field is one that Extra may not keep.
func isSecretName(name string) bool {
	return strings.HasSuffix(name, "token") || strings.HasSuffix(name, "secret")
}

// secret returns a string member that a header or form can carry: VSCHAR
// (RFC 6749 appendix A), without a space at either end. Zero when missing.
func (o object) secret(name string) (secret.Text, error) {
	s, err := o.text(name)
	if err != nil {
		return secret.Text{}, err
	}
	if !isSecret(s) {
		return secret.Text{}, fmt.Errorf("%w: %s is too long or holds other than printable ASCII", ErrAnswer, name)
	}
	return secret.New(s), nil
}

func isSecret(s string) bool {
	return len(s) <= maxSecret && isPrintableASCII(s) && strings.TrimSpace(s) == s
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// tokenType accepts a token or a URI (RFC 6749 section 8.1).
func (o object) tokenType() (string, error) {
	s, err := o.text("token_type")
	if err != nil || s == "" {
		return "Bearer", err
	}
	if len(s) > 100 || !isPrintableASCII(s) || strings.ContainsAny(s, " \"\\,") {
		return "", fmt.Errorf("%w: malformed token_type", ErrAnswer)
	}
	return s, nil
}

// lifetime reads a time to live, bounded. What is no positive number says
// nothing: to refuse the answer for it would throw away a refresh token that
// was just rotated.
func (o object) lifetime(name string) time.Duration {
	seconds := o.seconds(name)
	switch {
	case seconds > maxLifetime.Seconds():
		return maxLifetime
	case seconds >= 1:
		return time.Duration(seconds) * time.Second
	}
	return 0
}

// seconds reads a number, also when it is written as a string: 0 when it is
// neither, infinite when it is out of range.
func (o object) seconds(name string) float64 {
	raw := string(o[name])
	if s := o.lenient(name); s != "" {
		raw = s
	}
	seconds, _ := strconv.ParseFloat(raw, 64)
	return seconds
}

// scopes reads the granted scopes: a string or a list of strings. Said and
// empty means none.
func (o object) scopes(q Quirks) (scopes []string, said bool, err error) {
	if !o.has("scope") {
		return nil, false, nil
	}
	var joined string
	if json.Unmarshal(o["scope"], &scopes) != nil {
		if joined, err = o.text("scope"); err != nil {
			return nil, false, err
		}
		scopes = strings.FieldsFunc(joined, func(r rune) bool { return r == ' ' || strings.ContainsRune(q.grantedSeparator(), r) })
	}
	if len(scopes) > maxScopes || slices.ContainsFunc(scopes, func(s string) bool { return !isScope(s) }) {
		return nil, false, fmt.Errorf("%w: malformed scope", ErrAnswer)
	}
	return scopes, true, nil
}

// isScope accepts a scope-token (RFC 6749 section 3.3).
func isScope(s string) bool {
	return s != "" && len(s) <= 500 && isPrintableASCII(s) && !strings.ContainsAny(s, " \"\\")
}

// MissingScopes returns the scopes that were asked for and not granted. Those
// that ask for a refresh token are answered by one, not by their name.
func MissingScopes(asked, granted []string) []string {
	var missing []string
	for _, s := range asked {
		if !slices.Contains(granted, s) && !slices.Contains([]string{"offline_access", "offline.access", "refresh_token"}, s) {
			missing = append(missing, s)
		}
	}
	return missing
}
