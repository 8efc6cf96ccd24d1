package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"authsome/internal/secret"
)

const canary = "CANARY-7f3a"

type holder struct {
	Name   string
	Secret secret.Text
	hidden secret.Text
	Ptr    *secret.Text
	Map    map[string]secret.Text
}

func held() holder {
	t := secret.New(canary)
	return holder{"n", t, t, &t, map[string]secret.Text{"k": t}}
}

// TestTextNeverPrints is L008: every verb, flag and container, on the value,
// its pointer, and structs that hold it in exported and unexported fields.
func TestTextNeverPrints(t *testing.T) {
	h := held()
	values := []any{h.Secret, h.Ptr, h, &h, []secret.Text{h.Secret}, h.Map, [1]secret.Text{h.Secret},
		struct{ any }{h.Secret}, fmt.Errorf("wrapped %v", h.Secret), errors.New(fmt.Sprint(h))}
	verbs := "vTtbcdoOqxXUeEfFgGspw"
	for i, v := range values {
		for _, verb := range verbs {
			for _, flag := range []string{"", "+", "#", " ", "0", "-", "20", ".3"} {
				out := fmt.Sprintf("%"+flag+string(verb), v)
				if strings.Contains(out, canary) || strings.Contains(out, fmt.Sprintf("%x", canary)) {
					t.Fatalf("value %d, verb %%%s%c: %q holds the secret", i, flag, verb, out)
				}
			}
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q %x", h.Secret, h.Secret, h.Secret, h.Secret, h.Secret, h.Secret); got != strings.TrimSpace(strings.Repeat(secret.Redacted+" ", 6)) {
		t.Fatalf("printed %q", got)
	}
	_ = h.hidden
}

func TestTextNeverLogs(t *testing.T) {
	var out bytes.Buffer
	h := held()
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("m", "secret", h.Secret, "holder", h, "ptr", h.Ptr, "map", h.Map)
	}
	if strings.Contains(out.String(), canary) {
		t.Fatalf("logged: %s", out.String())
	}
	if !strings.Contains(out.String(), secret.Redacted) {
		t.Fatal("the log does not say that something was redacted")
	}
}

func TestTextRefusesEncoders(t *testing.T) {
	h := held()
	var buf bytes.Buffer
	encoders := map[string]func() error{
		"json":       func() error { return json.NewEncoder(&buf).Encode(h.Secret) },
		"json field": func() error { return json.NewEncoder(&buf).Encode(struct{ S secret.Text }{h.Secret}) },
		"xml":        func() error { return xml.NewEncoder(&buf).Encode(struct{ S secret.Text }{h.Secret}) },
		"gob":        func() error { return gob.NewEncoder(&buf).Encode(h.Secret) },
	}
	for name, encode := range encoders {
		if err := encode(); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	if bytes.Contains(buf.Bytes(), []byte(canary)) {
		t.Fatalf("encoder wrote %q", buf.Bytes())
	}
}

func TestEqualAndReveal(t *testing.T) {
	a, b, c := secret.New("x"), secret.New("x"), secret.New("y")
	var zero secret.Text
	if !a.Equal(b) || a.Equal(c) || a.Equal(zero) || !zero.Equal(secret.New("")) {
		t.Fatal("Equal is wrong")
	}
	if a.Reveal() != "x" || zero.Reveal() != "" || a.IsZero() || !zero.IsZero() {
		t.Fatal("Reveal or IsZero is wrong")
	}
}
