package login

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"authsome/internal/credential"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// apiKey is flow "api_key": the human has a key or token already and hands it
// over. It works for every provider, whatever its own flow: it asks for the
// fields that the provider's injections need.
func apiKey(ctx context.Context, req Request) (Result, error) {
	def := req.Definition
	cred := credential.Credential{Fields: map[string]secret.Text{}, Scopes: req.Scopes}
	for _, field := range AskedFields(def) {
		check := func(value secret.Text) error { return checkValue(req, field, value) }
		value, err := req.Given[field], error(nil)
		if req.Given == nil {
			value, err = req.UI.Secret(ctx, Question{
				Provider: def.DisplayName, Label: label(field), Hint: hint(req, field), CreateURL: def.CreateURL, Check: check,
				Names: append([]string{field}, def.Env[field]...), Optional: !needs(def, field),
			})
		}
		if err != nil {
			return Result{}, err
		}
		if value.IsZero() && !needs(def, field) {
			continue
		}
		if err := check(value); err != nil {
			return Result{}, err
		}
		cred.Fields[field] = value
	}
	if len(cred.Fields) == 0 {
		return Result{}, fmt.Errorf("%w: %s injects no credential", ErrFlow, def.Name)
	}
	return Result{Credential: cred}, nil
}

// KeyFields returns the secret fields of all injections of a provider, each
// once, in the order they are asked for.
func KeyFields(def *provider.Definition) []string {
	needed := def.Fields()
	return slices.DeleteFunc(credential.FieldNames(), func(field string) bool { return !slices.Contains(needed, field) })
}

// AskedFields returns KeyFields and those that a credential may have.
func AskedFields(def *provider.Definition) []string {
	return slices.DeleteFunc(credential.FieldNames(), func(field string) bool { return !needs(def, field) && !takes(def, field) })
}

// needs reports whether some injection can't do without a field.
func needs(def *provider.Definition, field string) bool {
	return slices.Contains(def.Fields(), field)
}

// takes reports whether some injection uses a field that is there.
func takes(def *provider.Definition, field string) bool {
	for _, injection := range def.Inject {
		if slices.Contains(injection.Optional(), field) {
			return true
		}
	}
	return false
}

// label puts a field's name in words: "api_key" becomes "API key".
func label(field string) string {
	if field == credential.APIKey {
		return "API key"
	}
	words := strings.ReplaceAll(field, "_", " ")
	if rest, ok := strings.CutSuffix(words, " id"); ok {
		words = rest + " ID"
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

func hint(req Request, field string) string {
	if !needs(req.Definition, field) {
		return "Leave it empty if there is none."
	}
	if !isKey(field) || req.Definition.APIKey == nil {
		return ""
	}
	return req.Definition.APIKey.KeyPatternHint
}

// isKey reports whether the vendor's pattern is about a field: the key, or the
// token or key ID that takes its place.
func isKey(field string) bool {
	return field == credential.APIKey || field == credential.AccessToken || field == credential.AccessKeyID
}

// checkValue refuses what no header could carry, and a key that does not have
// the shape the vendor documents.
func checkValue(req Request, field string, value secret.Text) error {
	one := credential.Credential{Fields: map[string]secret.Text{field: value}}
	if err := one.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	key := req.Definition.APIKey
	if !isKey(field) || key == nil || credential.Matches(key.Pattern, value) {
		return nil
	}
	if key.KeyPatternHint != "" {
		return fmt.Errorf("%w: %s", ErrRejected, key.KeyPatternHint)
	}
	return fmt.Errorf("%w: it does not look like an API key of %s", ErrRejected, req.Definition.DisplayName)
}
