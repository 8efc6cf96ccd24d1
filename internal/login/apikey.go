package login

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"authsome/internal/credential"
	"authsome/internal/secret"
)

// apiKey is flow "api_key": the human has a key or token already and hands it
// over. It works for every provider, whatever its own flow: it asks for the
// fields that the provider's injections need.
func apiKey(ctx context.Context, req Request) (credential.Credential, error) {
	def := req.Definition
	cred := credential.Credential{Fields: map[string]secret.Text{}, Scopes: req.Scopes}
	for _, field := range neededFields(req) {
		value, err := req.UI.Secret(ctx, Question{
			Provider: def.DisplayName, Label: label(field), Hint: hint(req, field), CreateURL: def.CreateURL,
		})
		if err != nil {
			return credential.Credential{}, err
		}
		if err := checkPattern(req, field, value); err != nil {
			return credential.Credential{}, err
		}
		cred.Fields[field] = value
	}
	if len(cred.Fields) == 0 {
		return credential.Credential{}, fmt.Errorf("%w: %s injects no credential", ErrFlow, def.Name)
	}
	return cred, nil
}

// neededFields returns the secret fields of all injections, each once, in
// the order they are shown.
func neededFields(req Request) []string {
	var needed []string
	for _, field := range credential.FieldNames() {
		for _, injection := range req.Definition.Inject {
			if slices.Contains(injection.Fields(), field) {
				needed = append(needed, field)
				break
			}
		}
	}
	return needed
}

// label puts a field's name in words: "api_key" becomes "API key".
func label(field string) string {
	if field == credential.APIKey {
		return "API key"
	}
	words := strings.ReplaceAll(field, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

func hint(req Request, field string) string {
	if field != credential.APIKey || req.Definition.APIKey == nil {
		return ""
	}
	return req.Definition.APIKey.KeyPatternHint
}

// checkPattern compares a key with the shape the vendor documents.
func checkPattern(req Request, field string, value secret.Text) error {
	key := req.Definition.APIKey
	if field != credential.APIKey || key == nil || credential.Matches(key.Pattern, value) {
		return nil
	}
	if key.KeyPatternHint != "" {
		return fmt.Errorf("%w: %s", ErrRejected, key.KeyPatternHint)
	}
	return fmt.Errorf("%w: it does not look like an API key of %s", ErrRejected, req.Definition.DisplayName)
}
