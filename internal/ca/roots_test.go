package ca

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBundle(t *testing.T) {
	a, b, c := mustNew(t, "a.test").PEM(), mustNew(t, "b.test").PEM(), mustNew(t, "c.test").PEM()
	key := []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	join := func(p ...[]byte) []byte { return bytes.Join(p, nil) }
	for _, tt := range []struct {
		name   string
		system []byte
		extra  [][]byte
		want   []byte
	}{
		{"nothing", nil, nil, nil},
		{"order kept", b, [][]byte{a, c}, join(b, a, c)},
		{"duplicates", join(a, b), [][]byte{b, a, c}, join(a, b, c)},
		{"no final newline", bytes.TrimSpace(a), [][]byte{bytes.TrimSpace(b)}, join(a, b)},
		{"comments and a private key left out", join([]byte("# \xff\n"), a, key), [][]byte{join(key, b)}, join(a, b)},
		{"cut short", a[:len(a)-20], [][]byte{b}, b},
		{"garbage", []byte("-----BEGIN"), [][]byte{[]byte("x")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(string(tt.want), string(Bundle(tt.system, tt.extra...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"), []byte("x"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		once := Bundle(a, b)
		if again := Bundle(once, b); !bytes.Equal(once, again) {
			t.Fatalf("not stable: %q then %q", once, again)
		}
	})
}

func TestPool(t *testing.T) {
	if _, err := Pool([]byte("no PEM")); !errors.Is(err, ErrNoCertificates) {
		t.Errorf("%v, want ErrNoCertificates", err)
	}
	pool, err := Pool(nil, mustNew(t, "a.test").PEM())
	if err != nil || pool == nil {
		t.Error(err)
	}
}
