package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/prompt"
	"authsome/internal/provider"
	"authsome/internal/vault"
)

// TestClassify holds the table of exit codes and codes: C014 in
// testdata/script meets each of them in the real program.
func TestClassify(t *testing.T) {
	tests := []struct {
		err  error
		exit int
		code string
	}{
		{errors.New("something"), 1, "error"},
		{fs.ErrNotExist, 1, "error"},
		{prompt.ErrNobody, 2, "no_terminal"},
		{provider.ErrExists, 1, "error"},
		{&usageError{errors.New("no such flag"), "authsome get"}, 2, "usage"},
		{broker.ErrName, 2, "usage"},
		{provider.ErrUnknown, 3, "provider_unknown"},
		{login.ErrRejected, 4, "authentication_failed"},
		{prompt.ErrInput, 4, "authentication_failed"},
		{credential.ErrInvalid, 4, "authentication_failed"},
		{login.ErrFlow, 4, "flow_unavailable"},
		{&broker.NotConnected{Provider: "acme"}, 5, "not_connected"},
		{&broker.NoDefault{Provider: "acme", Names: []string{"a", "b"}}, 5, "no_default"},
		{&broker.Denied{Code: broker.CodeExpired}, 6, "login_needed"},
		{vault.ErrWrongKey, 7, "vault_wrong_key"},
		{vault.ErrKeyMissing, 7, "vault_key_missing"},
		{vault.ErrKeyring, 7, "vault_keyring"},
		{vault.ErrNewerFormat, 7, "vault_newer"},
		{vault.ErrPermissions, 7, "vault_permissions"},
		{vault.ErrDamaged, 7, "vault_damaged"},
		{vault.ErrSwapped, 7, "vault_damaged"},
		{vault.ErrIrregular, 7, "vault_unavailable"},
		{vault.ErrReadOnly, 7, "vault_unavailable"},
		{vault.ErrNoSpace, 7, "vault_unavailable"},
		{vault.ErrBusy, 7, "vault_unavailable"},
		{vault.ErrUnknownAlgorithm, 7, "vault_unavailable"},
		{vault.ErrKeyFormat, 7, "vault_unavailable"},
		{vault.ErrSource, 7, "vault_unavailable"},
		{vault.ErrTooLarge, 7, "vault_unavailable"},
		{errHome, 7, "vault_unavailable"},
		{broker.ErrRecord, 7, "vault_newer"},
		{broker.ErrAudit, 7, "audit_unavailable"},
		{login.ErrCancelled, 8, "cancelled"},
		{context.Canceled, 8, "cancelled"},
	}
	for _, test := range tests {
		for _, err := range []error{test.err, fmt.Errorf("acme/default: %w", test.err), errors.Join(test.err, errors.New("another"))} {
			if got := classify(err); got.exit != test.exit || got.code != test.code {
				t.Errorf("C014 %v: exit %d %s, want %d %s", err, got.exit, got.code, test.exit, test.code)
			}
		}
	}
}

func TestHints(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&usageError{errors.New("x"), "authsome get"}, "authsome get --help"},
		{&broker.NotConnected{Provider: "acme"}, "authsome login acme"},
		{&broker.NotConnected{Provider: "acme", Name: "work"}, "authsome login acme --connection work"},
		{&broker.NoDefault{Provider: "acme", Names: []string{"a", "b"}}, "authsome default acme a"},
		{&broker.Denied{Hint: "authsome login acme --force"}, "authsome login acme --force"},
		{&hinted{vault.ErrDamaged, "do this"}, "do this"},
		{errors.New("x"), ""},
	}
	for _, test := range tests {
		if got := classify(fmt.Errorf("while: %w", test.err)).hint; got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// An error of several lines keeps them; none of them can pass for a line of
// authsome's own, and none moves the cursor.
func TestPrintableLines(t *testing.T) {
	got := printableLines("one\n  two\x1b[2K\rauthsome: fine\nauthsome: fine\u2028x")
	want := "one\n  two\\x1b[2K\\rauthsome: fine\n  authsome: fine\\u2028x"
	if got != want {
		t.Errorf("L004 %q", got)
	}
}

func TestWithoutValue(t *testing.T) {
	for _, flag := range []string{"--with-token", "--force", "--json"} {
		for _, value := range []string{"hunter2", `hunter2"\`} {
			root := (&app{stdout: &checkedWriter{}}).root()
			root.SetArgs([]string{"login", "acme", flag + "=" + value})
			err := root.Execute()
			if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), flag) {
				t.Errorf("C007 %v", err)
			}
		}
	}
}

func TestAsksJSON(t *testing.T) {
	got := map[string]bool{}
	want := map[string]bool{
		"list --json": true, "--json list": true, "list": false, "list --json=true": true, "list --json=false": false,
		"run --json x": true, "run x --json": false, "run -- --json": false, "--json run x": true,
	}
	for line := range want {
		got[line] = asksJSON(strings.Fields(line))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
