package vaulttest

import (
	"testing"

	"authsome/internal/vault"
)

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
		for _, get := range []func(vault.KeySource) bool{
			func(s vault.KeySource) bool { return must(s.Load(ctx))(t).Equal(key) },
			func(s vault.KeySource) bool { return must(s.Create(ctx))(t).Equal(key) },
			func(s vault.KeySource) bool { return must(s.Load(ctx))(t).Equal(key) },
		} {
			if !get(open()) {
				t.Error("the key changed")
			}
		}
	})
	t.Run("keys differ", func(t *testing.T) {
		if must(fresh(t)().Create(ctx))(t).Equal(must(fresh(t)().Create(ctx))(t)) {
			t.Error("two sources made one key")
		}
	})
	t.Run("names", func(t *testing.T) {
		if s := fresh(t)(); s.Name() == "" || s.Name() == vault.SourceAuto || s.Describe() == "" {
			t.Errorf("name %q, description %q", s.Name(), s.Describe())
		}
	})
}
