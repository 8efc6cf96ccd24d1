package login

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"authsome/internal/credential"
	"authsome/internal/oauth"
	"authsome/internal/provider"
)

// Bounds of the answer to who is logged in.
const (
	accountWait   = 10 * time.Second
	accountLimit  = 1 << 20 // bytes
	accountLength = 100     // characters of the label
)

// account returns who is logged in, "" when the provider does not say. The
// login has succeeded whatever comes of it.
func account(ctx context.Context, req Request, result Result) string {
	o := req.Definition.OAuth
	if o == nil || o.Account == nil {
		return ""
	}
	if o.Account.URL == "" {
		for _, path := range o.Account.Paths {
			if label := oauth.Clean(result.extra[path], accountLength); label != "" {
				return label
			}
		}
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, accountWait)
	defer cancel()
	body, secrets := req.Network.ask(ctx, req.Definition, result.Credential)
	label := findLabel(body, o.Account.Paths)
	for _, s := range secrets {
		if strings.Contains(label, s) { // an answer that repeats the request
			return ""
		}
	}
	return label
}

// ask sends the account request with the credential where the provider's API
// expects it, and returns the answer, nil for none, and the secrets it sent.
func (n Network) ask(ctx context.Context, def *provider.Definition, c credential.Credential) (body []byte, secrets []string) {
	client, err := n.oauth()
	if err != nil || client.CheckURL(def.OAuth.Account.URL) != nil {
		return nil, nil
	}
	r, secrets, err := accountRequest(ctx, def, c)
	if err != nil {
		return nil, nil
	}
	resp, err := client.Transport.RoundTrip(r) // follows no redirect
	if err != nil {
		return nil, secrets
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, accountLimit+1))
	if err != nil || resp.StatusCode != http.StatusOK || len(body) > accountLimit {
		return nil, secrets
	}
	return body, secrets
}

func accountRequest(ctx context.Context, def *provider.Definition, c credential.Credential) (*http.Request, []string, error) {
	a := def.OAuth.Account
	method := a.Method
	if method == "" {
		method = http.MethodGet
	}
	var content io.Reader // nil: a POST without a body
	if a.Body != "" {
		content = strings.NewReader(a.Body)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.URL, content)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", clientName)
	if a.Body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range a.Header {
		r.Header.Set(name, value)
	}
	var sent []string
	rule, _ := def.RuleFor(r.URL)
	for _, injection := range def.InjectAt(rule) {
		secrets, err := injection.Apply(r, c)
		if err != nil {
			return nil, nil, err
		}
		sent = append(sent, secrets...)
	}
	return r, sent, nil
}

// findLabel returns the first of the paths that holds text or a number.
func findLabel(body []byte, paths []string) string {
	var answer any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&answer) != nil {
		return ""
	}
	for _, path := range paths {
		if label := oauth.Clean(lookUp(answer, path), accountLength); label != "" {
			return label
		}
	}
	return ""
}

// lookUp follows a dotted path of member names and list positions.
func lookUp(value any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return ""
			}
			value = v[i]
		default:
			return ""
		}
	}
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
