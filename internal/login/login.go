// Package login turns a provider definition and a human into a credential.
//
// Each flow is one file and one row of flows. The package knows definitions
// and OAuth; it does not know where the credential will be kept or how the
// human is reached: that is a UI. An attacker is whoever can feed it input, a
// hostile definition or a pasted value; whatever comes in is checked before
// it becomes a credential.
package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"authsome/internal/credential"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// Errors callers tell apart.
var (
	ErrFlow      = errors.New("flow is not available") // also for a flow that the provider has no data for
	ErrCancelled = errors.New("cancelled")             // by the user
	ErrRejected  = errors.New("value is not accepted") // the pasted value does not look right
)

// Question asks a human for one secret.
type Question struct {
	Provider  string // display name, safe to print
	Label     string // what is asked for: "API key"
	Hint      string // what it looks like, or ""
	CreateURL string // page where one is made, or ""
}

// UI is a way to reach the human.
type UI interface {
	// Secret returns the answer without the line ending. ErrCancelled when
	// the human gives up.
	Secret(ctx context.Context, q Question) (secret.Text, error)
}

// Request is one login.
type Request struct {
	Definition *provider.Definition // with its base URL resolved
	Flow       string               // "" means the definition's
	Scopes     []string             // nil means the definition's
	UI         UI
}

// flow obtains a credential.
type flow func(context.Context, Request) (credential.Credential, error)

// flows is every flow there is: its name on the command line, and its file.
var flows = map[string]flow{
	"api_key": apiKey, // apikey.go
}

// Flows returns the names of all flows, sorted.
func Flows() []string {
	names := make([]string, 0, len(flows))
	for name := range flows {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Run obtains a credential. Nothing is kept: that is the caller's part.
func Run(ctx context.Context, req Request) (credential.Credential, error) {
	name := req.Flow
	if name == "" {
		name = req.Definition.Flow
	}
	run, ok := flows[name]
	if !ok {
		return credential.Credential{}, fmt.Errorf("%w: %q; this version has %s", ErrFlow, name, strings.Join(Flows(), ", "))
	}
	cred, err := run(ctx, req)
	if err != nil {
		return credential.Credential{}, err
	}
	if err := cred.Validate(); err != nil {
		return credential.Credential{}, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	return cred, nil
}
