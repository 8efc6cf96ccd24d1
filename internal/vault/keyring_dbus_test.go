package vault_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/zalando/go-keyring"

	"authsome/internal/vault"
)

// V012: without a session bus the keyring is not even asked.
func TestVault_V012_no_session_bus(t *testing.T) {
	keyring.MockInit()
	want := vault.ErrKeyring
	_, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid()))
	if err == nil || runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		want = vault.ErrKeyMissing // there is one, and the (mock) keyring behind it is empty
	}
	for _, address := range []string{"", "autolaunch:"} {
		_, err := vault.KeyringSource("none", address).Load(t.Context())
		wantErr(t, err, want)
	}
}
