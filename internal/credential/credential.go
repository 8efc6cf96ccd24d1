// Package credential is what a connection holds: named secret fields with
// scopes and an expiry, and the one encoder that writes them.
//
// It knows no provider, no vault and no protocol. Injection templates, export
// maps and `get --field` all speak the field names below, so a new shape of
// credential needs no new type. An attacker who controls a value (a pasted
// key, a token endpoint's answer) can try to split a header with it; Check
// refuses every value that could.
package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"authsome/internal/secret"
)

// The names of secret fields. Templates and export maps may use these only.
const (
	AccessToken  = "access_token"
	RefreshToken = "refresh_token"
	APIKey       = "api_key"
	ClientSecret = "client_secret"
	Username     = "username"
	Password     = "password"

	ClientID       = "client_id"       // of an API that wants one beside its key
	ApplicationKey = "application_key" // of an API that has two keys
	Passphrase     = "passphrase"
	SigningKey     = "signing_key" // signs requests; never sent

	AccessKeyID     = "access_key_id"     // names the two below, of AWS
	SecretAccessKey = "secret_access_key" // signs requests; never sent
	SessionToken    = "session_token"     // goes with temporary ones
)

// MaxLength is the longest value a field may have, in bytes. Common servers
// refuse a header line of 16 KiB, so a longer one could never be used.
const MaxLength = 16<<10 - 1

// ErrInvalid is wrapped by every error of Check.
var ErrInvalid = errors.New("invalid credential value")

// FieldNames returns every field name, in the order they are shown.
func FieldNames() []string {
	return []string{AccessToken, RefreshToken, APIKey, ClientSecret, Username, Password, ClientID, ApplicationKey, Passphrase, SigningKey, AccessKeyID, SecretAccessKey, SessionToken}
}

// IsField reports whether name names a secret field.
func IsField(name string) bool { return slices.Contains(FieldNames(), name) }

// Injectable reports whether a field may ever leave towards a provider's API.
// A refresh token or client secret goes to its token endpoint only, a signing
// key nowhere.
func Injectable(name string) bool {
	return IsField(name) && name != RefreshToken && name != ClientSecret && !Signs(name)
}

// Signs reports whether a field is a key that signs requests: what leaves is a
// signature.
func Signs(name string) bool { return name == SigningKey || name == SecretAccessKey }

// Credential is the secret part of a connection.
type Credential struct {
	Fields map[string]secret.Text // by field name
	Scopes []string               // as granted
	Expiry time.Time              // zero: does not expire as far as is known
}

// Field returns the named field, zero when the credential has none.
func (c Credential) Field(name string) secret.Text { return c.Fields[name] }

// Expired reports whether the credential is past its expiry at now.
func (c Credential) Expired(now time.Time) bool {
	return !c.Expiry.IsZero() && !now.Before(c.Expiry)
}

// Check refuses a value that no header could carry: empty, longer than
// MaxLength, with a space at either end, or with anything but printable ASCII
// (RFC 9110 section 5.5 forbids the control characters; obs-text is read
// differently by different servers). The error wraps ErrInvalid and never
// quotes the value.
func Check(name, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%w: %s is empty", ErrInvalid, name)
	case len(value) > MaxLength:
		return fmt.Errorf("%w: %s is longer than %d bytes", ErrInvalid, name, MaxLength)
	case value[0] == ' ' || value[len(value)-1] == ' ':
		return fmt.Errorf("%w: %s starts or ends with a space", ErrInvalid, name)
	}
	for i := range len(value) {
		if b := value[i]; b < ' ' || b > '~' {
			return fmt.Errorf("%w: %s holds a control or non-ASCII character at byte %d", ErrInvalid, name, i+1)
		}
	}
	return nil
}

// Validate runs Check on every field.
func (c Credential) Validate() error {
	for _, name := range FieldNames() {
		if value, ok := c.Fields[name]; ok {
			if err := Check(name, value.Reveal()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Matches reports whether the whole of a secret matches pattern, which is
// anchored by whoever compiled it. A nil pattern matches everything.
func Matches(pattern *regexp.Regexp, value secret.Text) bool {
	return pattern == nil || pattern.MatchString(value.Reveal())
}

// ShortLength is the length in bytes below which a secret is too short to be
// recognised, and so hidden, in an answer without harming other text.
const ShortLength = 16

// Short reports whether a secret is shorter than ShortLength.
func Short(value secret.Text) bool { return len(value.Reveal()) < ShortLength }

// encoded is the form a credential has inside a vault record.
type encoded struct {
	Fields map[string]string `json:"fields"`
	Scopes []string          `json:"scopes,omitempty"`
	Expiry *time.Time        `json:"expiry,omitempty"`
}

// Encode writes c as JSON with its secrets in clear. The result goes into a
// sealed record and nowhere else.
func Encode(c Credential) ([]byte, error) {
	e := encoded{Fields: make(map[string]string, len(c.Fields)), Scopes: c.Scopes}
	for name, value := range c.Fields {
		if !IsField(name) {
			return nil, fmt.Errorf("encode credential: unknown field %q", name)
		}
		e.Fields[name] = value.Reveal()
	}
	if !c.Expiry.IsZero() {
		utc := c.Expiry.UTC()
		e.Expiry = &utc
	}
	return json.Marshal(e)
}

// Decode reads what Encode wrote. Errors never quote the input.
func Decode(data []byte) (Credential, error) {
	var e encoded
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Credential{}, errors.New("decode credential: not in the form this version writes")
	}
	if _, err := d.Token(); err != io.EOF {
		return Credential{}, errors.New("decode credential: data after its end")
	}
	c := Credential{Fields: make(map[string]secret.Text, len(e.Fields)), Scopes: e.Scopes}
	for name, value := range e.Fields {
		if !IsField(name) {
			return Credential{}, errors.New("decode credential: unknown field name")
		}
		c.Fields[name] = secret.New(value)
	}
	if e.Expiry != nil {
		c.Expiry = *e.Expiry
	}
	return c, nil
}
