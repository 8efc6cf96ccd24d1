package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/oauth"
	"authsome/internal/prompt"
	"authsome/internal/provider"
	"authsome/internal/vault"
)

// Exit codes. `run` has further ones: see run.go.
const (
	exitOther        = 1
	exitUsage        = 2
	exitProvider     = 3
	exitLogin        = 4
	exitNotConnected = 5
	exitRefresh      = 6
	exitVault        = 7
	exitCancelled    = 8
)

// failure is what a user is told about an error.
type failure struct {
	exit int
	code string // for --json, stable
	hint string // what to do next, with the exact command where there is one
}

// exitError ends the process with a code of its own: the child's in `run`.
type exitError struct {
	exit int
	err  error // nil: nothing is to be said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// hinted adds what to do next to an error.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// usageError is a command line that does not parse.
type usageError struct {
	error
	command string // path of the command, for the hint
}

func (u *usageError) Unwrap() error { return u.error }

func usage(c *cobra.Command, err error) error { return &usageError{err, c.CommandPath()} }

// fail prints err and returns the exit code for it. It is the only place where
// errors become codes and hints.
func (a *app) fail(err error) int {
	f := classify(err)
	var own *exitError
	if errors.As(err, &own) {
		f.exit = own.exit
		if own.err == nil {
			return own.exit
		}
	}
	if err.Error() == "" {
		return f.exit
	}
	a.printFailure(err, f)
	return f.exit
}

// printFailure prints to standard error, with --json to standard output where
// that can be written to.
func (a *app) printFailure(err error, f failure) {
	message := printableLines(err.Error())
	if a.json && a.encodeFailure(message, f) == nil {
		return
	}
	fmt.Fprintf(a.sys.Stderr, "%s %s\n", a.colour(red, "authsome:", a.sys.Stderr), message)
	if f.hint != "" {
		fmt.Fprintf(a.sys.Stderr, "  %s\n", f.hint)
	}
}

func (a *app) encodeFailure(message string, f failure) error {
	type body struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	}
	e := json.NewEncoder(a.sys.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(map[string]body{"error": {f.code, message, f.hint}})
}

// classify finds exit code, stable code and hint.
func classify(err error) failure {
	f := failure{exit: exitOther, code: "error"}
	for _, known := range failures() {
		if known.is(err) {
			f = known.failure
			break
		}
	}
	if f.hint == "" {
		f.hint = specificHint(err)
	}
	var h *hinted
	if errors.As(err, &h) {
		f.hint = h.hint
	}
	return f
}

type knownFailure struct {
	is func(error) bool
	failure
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error]() func(error) bool {
	return func(err error) bool {
		var target T
		return errors.As(err, &target)
	}
}

// failures is every error users meet, first match wins.
func failures() []knownFailure {
	return []knownFailure{
		{as[*usageError](), failure{exitUsage, "usage", ""}},
		{is(errUsage), failure{exitUsage, "usage", ""}},
		{as[*broker.RemoteError](), failure{exitOther, "not_revoked", "it is forgotten here; revoke it on the provider's site"}},
		{is(login.ErrCancelled), failure{exitCancelled, "cancelled", ""}},
		{is(context.Canceled), failure{exitCancelled, "cancelled", ""}},
		{is(provider.ErrUnknown), failure{exitProvider, "provider_unknown", "authsome list shows every provider"}},
		{as[*broker.NotConnected](), failure{exitNotConnected, "not_connected", ""}},
		{as[*broker.NoDefault](), failure{exitNotConnected, "no_default", ""}},
		{isDenied(broker.CodeVault), failure{exitVault, "vault_unavailable", ""}},
		{isDenied(broker.CodeAudit), failure{exitVault, "audit_unavailable", ""}},
		{isDenied(broker.CodeNotConnected), failure{exitNotConnected, "not_connected", ""}},
		{isDenied(broker.CodeRefresh), failure{exitRefresh, "refresh_failed", ""}},
		{isDenied(broker.CodeSource), failure{exitRefresh, "source_failed", ""}},
		{as[*broker.Denied](), failure{exitRefresh, "login_needed", ""}},
		{is(broker.ErrName), failure{exitUsage, "usage", ""}},
		{is(vault.ErrLocked), failure{exitVault, "vault_locked", "run it on a terminal; a machine without one needs another key source: authsome rekey --source"}},
		{is(prompt.ErrNobody), failure{exitUsage, "no_terminal", ""}},
		{is(login.ErrRejected), failure{exitLogin, "authentication_failed", "nothing was stored"}},
		{is(login.ErrFlow), failure{exitLogin, "flow_unavailable", ""}},
		{is(login.ErrClient), failure{exitLogin, "client_missing", ""}},
		{is(login.ErrDenied), failure{exitLogin, "access_denied", ""}},
		{is(login.ErrTimeout), failure{exitLogin, "timeout", ""}},
		{is(login.ErrRedirect), failure{exitLogin, "redirect_unavailable", ""}},
		{is(login.ErrGrant), failure{exitRefresh, "login_needed", ""}},
		{as[*oauth.Error](), failure{exitLogin, "authentication_failed", "nothing was stored"}},
		{isOAuth, failure{exitLogin, "authentication_failed", "nothing was stored"}},
		{is(provider.ErrBaseURL), failure{exitUsage, "base_url", ""}},
		{is(prompt.ErrInput), failure{exitLogin, "authentication_failed", "nothing was stored"}},
		{is(credential.ErrInvalid), failure{exitLogin, "authentication_failed", "nothing was stored"}},
		{is(vault.ErrExists), failure{exitOther, "exists", "--force replaces it"}},
		{is(vault.ErrKeyThere), failure{exitVault, "vault_key_there", "move that file away, or put it back to the vault it belongs to"}},
		{is(vault.ErrWrongKey), failure{exitVault, "vault_wrong_key", "authsome doctor shows where the key comes from"}},
		{is(vault.ErrKeyMissing), failure{exitVault, "vault_key_missing", "put the key back from a backup; without it the vault can't be read. To start anew, move the vault folder away"}},
		{is(vault.ErrKeyring), failure{exitVault, "vault_keyring", "unlock the OS keyring and try again"}},
		{is(vault.ErrNewerFormat), failure{exitVault, "vault_newer", "update authsome"}},
		{is(vault.ErrPermissions), failure{exitVault, "vault_permissions", ""}},
		{is(vault.ErrDamaged), failure{exitVault, "vault_damaged", "authsome doctor names what is damaged; restore it from a backup or log in again"}},
		{is(vault.ErrSwapped), failure{exitVault, "vault_damaged", "authsome doctor names what is damaged; restore it from a backup or log in again"}},
		{isVault, failure{exitVault, "vault_unavailable", ""}},
		{is(broker.ErrRecord), failure{exitVault, "vault_newer", "update authsome, or log in again"}},
		{is(broker.ErrAudit), failure{exitVault, "audit_unavailable", "nothing was done, because it could not be written down"}},
	}
}

// isDenied reports whether the broker refused with a code.
func isDenied(code broker.Code) func(error) bool {
	return func(err error) bool {
		var denied *broker.Denied
		return errors.As(err, &denied) && denied.Code == code
	}
}

// isOAuth reports whether err is any other failure of an authorization server.
func isOAuth(err error) bool {
	return errors.Is(err, oauth.ErrAnswer) || errors.Is(err, oauth.ErrURL) || errors.Is(err, oauth.ErrIssuer) ||
		errors.Is(err, oauth.ErrPKCE) || errors.Is(err, oauth.ErrClient) || errors.Is(err, oauth.ErrKey)
}

// isVault reports whether err is any other error of the vault.
func isVault(err error) bool {
	for _, target := range []error{
		vault.ErrIrregular, vault.ErrReadOnly, vault.ErrNoSpace, vault.ErrBusy, vault.ErrUnknownAlgorithm,
		vault.ErrKeyFormat, vault.ErrSource, vault.ErrNoVault, vault.ErrTooLarge, errHome,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// specificHint names the exact command where the error holds what it takes.
func specificHint(err error) string {
	var u *usageError
	var missing *broker.NotConnected
	var none *broker.NoDefault
	var denied *broker.Denied
	switch {
	case errors.As(err, &u):
		return u.command + " --help"
	case errors.As(err, &missing) && missing.Name == "":
		return "authsome login " + missing.Provider
	case errors.As(err, &missing):
		return fmt.Sprintf("authsome login %s --connection %s", missing.Provider, missing.Name)
	case errors.As(err, &none):
		return fmt.Sprintf("authsome default %s %s", none.Provider, none.Names[0])
	case errors.As(err, &denied):
		return denied.Hint
	}
	return ""
}

// errUsage is wrapped by errors about the environment or an argument.
var errUsage = errors.New("usage")
