package inject

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"authsome/internal/credential"
)

// compileBasic is kind "basic": HTTP Basic authentication (RFC 7617) with the
// pair Username and Password. Either may be empty or hold no secret.
func compileBasic(s Spec) (Injection, error) {
	if s.Name != "" || s.Value != "" {
		return Injection{}, fmt.Errorf("basic: has username and password, no name or value")
	}
	username, err := parseText(s.Username)
	if err != nil {
		return Injection{}, fmt.Errorf("basic: username: %w", err)
	}
	if strings.Contains(s.Username, ":") {
		return Injection{}, fmt.Errorf("basic: username holds a colon (RFC 7617 section 2 forbids it)")
	}
	password, err := parseText(s.Password)
	if err != nil {
		return Injection{}, fmt.Errorf("basic: password: %w", err)
	}
	return Injection{
		fields: fields(username, password),
		sent:   basicSent,
		strip:  func(r *http.Request) { removeHeader(r, "Authorization") },
		apply: func(r *http.Request, c credential.Credential) ([]string, error) {
			return applyBasic(r, c, username, password)
		},
	}, nil
}

// basicSent returns the halves of every Basic pair the client sent, and other
// Authorization values whole: some SDKs put a key there as a bearer token.
func basicSent(r *http.Request) []string {
	var sent []string
	for _, value := range headerValues(r.Header, "Authorization") {
		if username, password, ok := decodeBasic(value); ok {
			sent = append(sent, username, password)
			continue
		}
		sent = append(sent, value)
	}
	return sent
}

// decodeBasic reads an Authorization value of scheme Basic.
func decodeBasic(value string) (username, password string, ok bool) {
	scheme, pair, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(pair))
	if err != nil {
		return "", "", false
	}
	username, password, ok = strings.Cut(string(decoded), ":")
	return username, password, ok
}

func applyBasic(r *http.Request, c credential.Credential, username, password text) ([]string, error) {
	user, userSecrets, err := username.render(c)
	if err != nil {
		return nil, err
	}
	pass, passSecrets, err := password.render(c)
	if err != nil {
		return nil, err
	}
	if strings.Contains(user, ":") {
		return nil, fmt.Errorf("%w: the user name of a Basic pair holds a colon", credential.ErrInvalid)
	}
	pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + pass))
	r.Header["Authorization"] = []string{"Basic " + pair}
	return append(append(userSecrets, passSecrets...), pair), nil
}
