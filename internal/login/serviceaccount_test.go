package login_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// keyFile is what a cloud hands out for a service account.
func keyFile(t *testing.T, key *rsa.PrivateKey, change map[string]string) secret.Text {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "1", "client_email": "robot@p.iam.test",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
	for name, value := range change {
		file[name] = value
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(string(data))
}

// claims verifies the assertion of a token request.
func claims(t *testing.T, key *rsa.PrivateKey, r oauthtest.Request) map[string]any {
	t.Helper()
	form := r.Form()
	parts := strings.Split(form.Get("assertion"), ".")
	if len(form) != 2 || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 || r.Header.Get("Authorization") != "" {
		t.Fatalf("not an assertion alone: %d parameters, %d parts", len(form), len(parts))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		t.Fatal("the signature is not the key's")
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	var said map[string]any
	if err != nil || json.Unmarshal(data, &said) != nil {
		t.Fatal("the claims can't be read")
	}
	return said
}

func TestServiceAccount(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	answer := oauthtest.Respond(http.StatusOK, "application/json", `{"access_token":"ya29.CANARY","expires_in":3599,"token_type":"Bearer"}`)
	w := newWorld(t)
	w.definition.OAuth.ServiceAccountScopes = []string{"cloud", "mail"}
	w.server.Script(oauthtest.Token, answer, answer)
	req := w.request(&human{w: w})
	req.Flow, req.Scopes, req.Client = provider.FlowServiceAccount, nil, &login.Client{Secret: keyFile(t, key, nil)}
	result, err := w.run(req)
	if err != nil || accessToken(result.Credential) != "ya29.CANARY" || time.Until(result.Credential.Expiry) < 3500*time.Second || result.Client.ID != "robot@p.iam.test" {
		t.Fatalf("result for %q, error %v", result.Client.ID, err)
	}
	g := login.Grant{Definition: w.definition, Network: w.network, Flow: result.Flow, Client: result.Client, Credential: result.Credential}
	if fresh, err := login.Refresh(t.Context(), g); err != nil || accessToken(fresh) != "ya29.CANARY" {
		t.Errorf("refresh: %v", err)
	}
	if err := login.Revoke(t.Context(), g); !errors.Is(err, login.ErrNoRevocation) {
		t.Errorf("revoke: %v", err)
	}
	for _, r := range w.server.Requests(oauthtest.Token) {
		said := claims(t, key, r)
		if said["iss"] != "robot@p.iam.test" || said["aud"] != w.definition.OAuth.TokenURL || said["scope"] != "cloud mail" {
			t.Errorf("claims %v", said)
		}
		if life := said["exp"].(float64) - said["iat"].(float64); life <= 0 || life > 3600 {
			t.Errorf("good for %v seconds", life)
		}
	}
}

func TestServiceAccountRefuses(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file   secret.Text
		scopes []string
		want   error
	}{
		"no_flow":           {keyFile(t, key, nil), nil, login.ErrFlow},
		"no_file":           {secret.Text{}, []string{"s"}, login.ErrClient},
		"no_JSON":           {secret.New("CANARY"), []string{"s"}, login.ErrClient},
		"another_type":      {keyFile(t, key, map[string]string{"type": "authorized_user"}), []string{"s"}, login.ErrClient},
		"no_address":        {keyFile(t, key, map[string]string{"client_email": ""}), []string{"s"}, login.ErrClient},
		"control_character": {keyFile(t, key, map[string]string{"client_email": "a\nb"}), []string{"s"}, login.ErrClient},
		"no_key":            {keyFile(t, key, map[string]string{"private_key": ""}), []string{"s"}, login.ErrClient},
		"not_a_key":         {keyFile(t, key, map[string]string{"private_key": "CANARY"}), []string{"s"}, login.ErrClient},
		"another_server":    {keyFile(t, key, map[string]string{"token_uri": "https://evil.test/token"}), []string{"s"}, login.ErrClient},
		"too_long":          {keyFile(t, key, map[string]string{"project_id": strings.Repeat("a", 64<<10)}), []string{"s"}, login.ErrClient},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.definition.OAuth.ServiceAccountScopes = c.scopes
			req := w.request(&human{w: w})
			req.Flow, req.Client = provider.FlowServiceAccount, &login.Client{Secret: c.file}
			_, err := w.run(req)
			if !errors.Is(err, c.want) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if got := w.server.Requests(oauthtest.Token); len(got) != 0 {
				t.Errorf("%d requests", len(got))
			}
		})
	}
}
