package vault_test

import (
	"sync"
	"testing"

	"authsome/internal/vault"
	"authsome/internal/vault/vaulttest"
)

func TestDir(t *testing.T) {
	open := func(location string) (vault.Store, error) { return vault.CreateDir(location) }
	vaulttest.Store(t, open)
}

func TestDirProcesses(t *testing.T) {
	vaulttest.Processes(t, func(location string) (vault.Store, error) { return vault.CreateDir(location) })
}

func TestMemory(t *testing.T) {
	var stores sync.Map
	vaulttest.Store(t, func(location string) (vault.Store, error) {
		s, _ := stores.LoadOrStore(location, vault.NewMemory())
		return s.(*vault.Memory), nil
	})
}
