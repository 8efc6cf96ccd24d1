package login_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/credential"
	"authsome/internal/inject"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// keyholder hands over one value per question, and remembers the questions.
type keyholder struct {
	values    []string
	questions []login.Question
}

func (k *keyholder) Secret(_ context.Context, q login.Question) (secret.Text, error) {
	k.questions = append(k.questions, q)
	value := k.values[0]
	k.values = k.values[1:]
	return secret.New(value), nil
}

func (k *keyholder) Text(context.Context, login.Question) (string, error) {
	return "", login.ErrCancelled
}

func (k *keyholder) Visit(context.Context, login.Visit) error { return login.ErrCancelled }

func compile(t *testing.T, spec inject.Spec) inject.Injection {
	t.Helper()
	injection, err := inject.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	return injection
}

func TestAPIKey(t *testing.T) {
	header := inject.Spec{Kind: "header", Name: "X-Key", Value: "{api_key}"}
	for name, c := range map[string]struct {
		spec   inject.Spec
		key    *provider.APIKey
		values []string
		labels []string
		fields []string
		want   error
	}{
		"key":   {spec: header, values: []string{"CANARY-key"}, labels: []string{"API key"}, fields: []string{"api_key"}},
		"token": {spec: inject.Spec{Kind: "header", Name: "Authorization", Value: "Bearer {access_token}"}, values: []string{"CANARY-key"}, labels: []string{"Access token"}, fields: []string{"access_token"}},
		"pair":  {spec: inject.Spec{Kind: "basic", Username: "{username}", Password: "{password}"}, values: []string{"me", "CANARY-key"}, labels: []string{"Username", "Password"}, fields: []string{"username", "password"}},
		"keys": {
			spec: inject.Spec{Kind: "sigv4"}, key: &provider.APIKey{Pattern: regexp.MustCompile(`^id$`)}, values: []string{"id", "CANARY-key", "CANARY-token"},
			labels: []string{"Access key ID", "Secret access key", "Session token"}, fields: []string{"access_key_id", "secret_access_key", "session_token"},
		},
		"keys without a token": {
			spec: inject.Spec{Kind: "sigv4"}, values: []string{"id", "CANARY-key", ""},
			labels: []string{"Access key ID", "Secret access key", "Session token"}, fields: []string{"access_key_id", "secret_access_key"},
		},
		"key ID of another shape": {spec: inject.Spec{Kind: "sigv4"}, key: &provider.APIKey{Pattern: regexp.MustCompile(`^id$`)}, values: []string{"CANARY"}, labels: []string{"Access key ID"}, want: login.ErrRejected},
		"pattern":                 {spec: header, key: &provider.APIKey{Pattern: regexp.MustCompile(`^sk-[a-z]+$`)}, values: []string{"CANARY-key"}, labels: []string{"API key"}, want: login.ErrRejected},
		"newline":                 {spec: header, values: []string{"CANARY\r\nHost: evil.test"}, labels: []string{"API key"}, want: credential.ErrInvalid},
		"empty":                   {spec: header, values: []string{""}, labels: []string{"API key"}, want: login.ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			k := &keyholder{values: c.values}
			definition := &provider.Definition{
				Name: "acme", DisplayName: "Acme", AuthType: provider.AuthAPIKey, Flow: provider.FlowAPIKey,
				Inject: []inject.Injection{compile(t, c.spec)}, APIKey: c.key,
			}
			result, err := login.Run(t.Context(), login.Request{Definition: definition, UI: k})
			if !errors.Is(err, c.want) || err != nil && strings.Contains(err.Error(), "CANARY") {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			var labels, fields []string
			for _, q := range k.questions {
				labels = append(labels, q.Label)
				if q.Check == nil {
					t.Errorf("%s can't be checked while it is asked", q.Label)
				}
			}
			for _, field := range credential.FieldNames() {
				if !result.Credential.Field(field).IsZero() {
					fields = append(fields, field)
				}
			}
			slicesEqual(t, c.labels, labels)
			if c.want == nil {
				slicesEqual(t, c.fields, fields)
			}
		})
	}
}

func slicesEqual(t *testing.T, want, got []string) {
	t.Helper()
	less := func(s []string) map[string]bool {
		set := map[string]bool{}
		for _, v := range s {
			set[v] = true
		}
		return set
	}
	if diff := cmp.Diff(less(want), less(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTokenAtHand: whatever the provider's own flow, a token can be handed
// over; who it belongs to is found out.
func TestTokenAtHand(t *testing.T) {
	w := newWorld(t)
	access, _ := w.server.Grant("app", "read")
	req := login.Request{Definition: w.definition, Flow: provider.FlowAPIKey, UI: &keyholder{values: []string{access}}, Network: w.network}
	result, err := w.run(req)
	if err != nil || result.Account != "someone" || accessToken(result.Credential) != access || result.Flow != provider.FlowAPIKey {
		t.Errorf("result %+v, error %v", result, err)
	}
	req.UI, req.Network = &keyholder{values: []string{access}}, login.Network{}
	if result, err := w.run(req); err != nil || result.Account != "" {
		t.Errorf("without a network: %+v, %v", result, err)
	}
}
