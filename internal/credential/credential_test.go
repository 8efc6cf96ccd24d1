package credential_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/credential"
	"authsome/internal/secret"
)

func TestEncodeDecode(t *testing.T) {
	tests := map[string]credential.Credential{
		"key":   {Fields: map[string]secret.Text{"api_key": secret.New("sk-1")}},
		"empty": {Fields: map[string]secret.Text{}},
		"token": {
			Fields: map[string]secret.Text{"access_token": secret.New("a"), "refresh_token": secret.New("r")},
			Scopes: []string{"repo", "read:user"},
			Expiry: time.Date(2026, 11, 24, 10, 0, 0, 5, time.UTC),
		},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := credential.Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := credential.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestEncodeRefusesUnknownField(t *testing.T) {
	_, err := credential.Encode(credential.Credential{Fields: map[string]secret.Text{"nope": secret.New("CANARY")}})
	if err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Fatalf("got %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, in := range []string{``, `null x`, `{"fields":{"CANARY":"x"}}`, `{"fields":{"api_key":"CANARY"}} {}`, `{"CANARY":1}`, `[]`, `{"fields":{"api_key":["CANARY"]}}`} {
		_, err := credential.Decode([]byte(in))
		if err == nil {
			t.Errorf("%q was accepted", in)
		} else if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%q: error quotes the input: %v", in, err)
		}
	}
}

// TestCheck is R064 and E004: a value that could split a header, or that no
// server would take, never becomes a credential.
func TestCheck(t *testing.T) {
	bad := map[string]string{
		"CR": "sk-CANARY\rx", "LF": "sk-CANARY\nx", "NUL": "sk-CANARY\x00", "tab": "sk-CANARY\tx", "DEL": "sk-CANARY\x7f",
		"leading space": " sk-CANARY", "trailing space": "sk-CANARY ", "non-ASCII": "sk-CANARYé", "empty": "",
		"invalid UTF-8": "sk-CANARY\xff", "16 KiB": strings.Repeat("a", 16<<10),
	}
	for name, value := range bad {
		err := credential.Check("api_key", value)
		if !errors.Is(err, credential.ErrInvalid) {
			t.Errorf("R064 %s: got %v", name, err)
		} else if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("R064 %s: error quotes the value: %v", name, err)
		}
	}
	for _, good := range []string{"x", "sk-a b", "a=/+~!\"'`$(x)", strings.Repeat("a", credential.MaxLength)} {
		if err := credential.Check("api_key", good); err != nil {
			t.Errorf("%.20q: %v", good, err)
		}
	}
}

func TestInjectable(t *testing.T) {
	want := map[string]bool{"access_token": true, "refresh_token": false, "api_key": true, "client_secret": false, "username": true, "password": true,
		"client_id": true, "application_key": true, "passphrase": true, "signing_key": false, "access_key_id": true, "secret_access_key": false, "session_token": true}
	got := map[string]bool{}
	for _, name := range credential.FieldNames() {
		got[name] = credential.Injectable(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if credential.Injectable("other") {
		t.Fatal("an unknown field is injectable")
	}
}

func TestExpired(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for expiry, want := range map[time.Time]bool{{}: false, now: true, now.Add(-1): true, now.Add(1): false} {
		if got := (credential.Credential{Expiry: expiry}).Expired(now); got != want {
			t.Errorf("%v: got %v", expiry, got)
		}
	}
}
