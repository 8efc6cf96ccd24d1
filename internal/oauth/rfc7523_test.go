package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/secret"
)

func inPEM(kind string, der []byte) secret.Text {
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func TestSignAssertion(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	for name, text := range map[string]secret.Text{
		"PKCS #1": inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), "PKCS #8": inPEM("PRIVATE KEY", pkcs8),
	} {
		assertion, err := oauth.SignAssertion(text, "Iv1.abc", now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		parts := strings.Split(assertion.Reveal(), ".")
		if len(parts) != 3 {
			t.Fatalf("%s: %d parts", name, len(parts))
		}
		var decoded [3]string
		for i, part := range parts {
			b, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil {
				t.Fatal(err)
			}
			decoded[i] = string(b)
		}
		want := [2]string{`{"alg":"RS256","typ":"JWT"}`, `{"iat":1699999940,"exp":1700000540,"iss":"Iv1.abc"}`}
		if diff := cmp.Diff(want[:], decoded[:2]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], []byte(decoded[2])); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignAssertionRefuses(t *testing.T) {
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalPKCS8PrivateKey(elliptical)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]secret.Text{
		"nothing": {}, "text": text("CANARY"), "garbage": inPEM("RSA PRIVATE KEY", []byte("CANARY")), "other algorithm": inPEM("PRIVATE KEY", ec),
		"short":       inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short)),
		"certificate": inPEM("CERTIFICATE", []byte("CANARY")), "two": secret.New(inPEM("PRIVATE KEY", ec).Reveal() + inPEM("PRIVATE KEY", ec).Reveal()),
	} {
		got, err := oauth.SignAssertion(key, "i", time.Now())
		if !errors.Is(err, oauth.ErrKey) || !got.IsZero() || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInstallationToken(t *testing.T) {
	const path = "/app/installations/1/access_tokens"
	f := newFixture()
	f.Script(path, oauthtest.Respond(201, "application/json; charset=utf-8", `{"token":"ghs_16C7e42F292c6912E7710c838347Ae178B4a","expires_at":"2016-07-11T22:14:10Z","permissions":{"issues":"write"}}`))
	got, err := f.client.InstallationToken(t.Context(), issuer+path, text("assertion-CANARY"))
	want := oauth.Token{AccessToken: text("ghs_16C7e42F292c6912E7710c838347Ae178B4a"), TokenType: "Bearer", Expiry: time.Date(2016, 7, 11, 22, 14, 10, 0, time.UTC)}
	if diff := cmp.Diff(want, got, secretEqual); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if r := f.Requests(path)[0]; r.Method != "POST" || r.Body != "" || r.Header.Get("Authorization") != "Bearer assertion-CANARY" {
		t.Errorf("%+v", r)
	}
	for body, status := range map[string]int{
		`{"message":"Bad assertion-CANARY\u001b[31m"}`: 401, `<html>`: 502, `{"token":"x"}`: 201, `{"token":"","expires_at":"2016-07-11T22:14:10Z"}`: 201,
		`{"token":"x\n","expires_at":"2016-07-11T22:14:10Z"}`: 201, `{"expires_at":"2016-07-11T22:14:10Z"}`: 201, `{`: 201,
	} {
		f := newFixture()
		f.Script(path, oauthtest.Respond(status, "application/json", body))
		_, err := f.client.InstallationToken(t.Context(), issuer+path, text("assertion-CANARY"))
		refused, said := errors.AsType[*oauth.Error](err)
		if err == nil || strings.ContainsAny(err.Error(), "\x1b") || strings.Contains(err.Error(), "CANARY") || said != (status > 400) || said && refused.Status != status {
			t.Errorf("%s: %v", body, err)
		}
	}
	f = newFixture()
	f.Script(path, oauthtest.Respond(201, "application/json", `{"token":"x","expires_at":"9999-07-11T22:14:10Z"}`))
	if got, err := f.client.InstallationToken(t.Context(), issuer+path, text("a")); err != nil || time.Until(got.Expiry) > 11*365*24*time.Hour {
		t.Error(got, err)
	}
}
