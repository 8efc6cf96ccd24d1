package vault_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"authsome/internal/vault"
)

func BenchmarkOpen(b *testing.B) {
	for _, source := range []string{vault.SourceFile, vault.SourceEnv} {
		b.Run(source, func(b *testing.B) {
			o := options(b)
			o.Source, o.MasterKey = source, masterKey('k', base64.StdEncoding)
			create(b, o)
			for b.Loop() {
				if _, err := vault.Open(b.Context(), o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	v := create(b, options(b))
	put(b, v, "p", "k", "data")
	for b.Loop() {
		if _, err := v.Get(b.Context(), "p", "k"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	v := create(b, options(b))
	for b.Loop() {
		put(b, v, "p", "k", "data")
	}
}

func BenchmarkVersion(b *testing.B) {
	v := create(b, options(b))
	put(b, v, "p", "k", "data")
	for b.Loop() {
		if _, err := v.Version(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkList reads whole vaults; V026 is the largest.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			v := many(b, n)
			for b.Loop() {
				records, err := v.List(b.Context(), "p", "")
				if err != nil || len(records) != n {
					b.Fatal(len(records), err)
				}
			}
		})
	}
}

// many is a vault of n records, written without waiting for the disk.
func many(tb testing.TB, n int) *vault.Vault {
	o := options(tb)
	v := create(tb, o)
	for i := range n {
		r := vault.Record{Key: fmt.Sprint("connection/", i), Data: make([]byte, 200)}
		if err := os.WriteFile(filepath.Join(o.Dir, v.FileName("p", r.Key)), v.SealRaw("p", r), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return v
}
