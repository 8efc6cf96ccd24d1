package vaulttest

import (
	"slices"
	"testing"

	"authsome/internal/secret"
	"authsome/internal/vault"
)

func has(t *testing.T, s vault.KeySource, key secret.Text) {
	t.Helper()
	if keys := must(s.Load(t.Context()))(t); len(keys) != 1 || !keys[0].Equal(key) {
		t.Errorf("%d keys, want one", len(keys))
	}
}

// KeySource checks what vault.KeySource promises. Each source that fresh
// returns is one that has no key yet; open returns the same one anew, as
// another process would.
func KeySource(t *testing.T, fresh func(t *testing.T) (open func() vault.KeySource)) {
	ctx := t.Context()
	t.Run("Load makes no key", func(t *testing.T) {
		open := fresh(t)
		for range 2 {
			wantErr(t, second(open().Load(ctx)), vault.ErrKeyMissing)
		}
	})
	t.Run("Create keeps one key", func(t *testing.T) {
		open := fresh(t)
		key := must(open().Create(ctx))(t)
		for range 2 {
			if !must(open().Create(ctx))(t).Equal(key) {
				t.Error("the key changed")
			}
			has(t, open(), key)
		}
	})
	t.Run("keys differ", func(t *testing.T) {
		if must(fresh(t)().Create(ctx))(t).Equal(must(fresh(t)().Create(ctx))(t)) {
			t.Error("two sources made one key")
		}
	})
	t.Run("Renew keeps the key in use until Settle", func(t *testing.T) {
		open := fresh(t)
		old := must(open().Create(ctx))(t)
		key := must(open().Renew(ctx, old))(t)
		if !slices.ContainsFunc(must(open().Load(ctx))(t), old.Equal) {
			t.Error("the key in use is gone")
		}
		wantErr(t, open().Settle(ctx, key), nil)
		has(t, open(), key)
		wantErr(t, open().Settle(ctx, secret.Text{}), nil)
		wantErr(t, open().Settle(ctx, secret.Text{}), nil)
		wantErr(t, second(open().Load(ctx)), vault.ErrKeyMissing)
	})
	t.Run("names", func(t *testing.T) {
		if s := fresh(t)(); s.Name() == "" || s.Name() == vault.SourceAuto || s.Describe() == "" {
			t.Errorf("name %q, description %q", s.Name(), s.Describe())
		}
	})
}
