// Package login turns a provider definition and a human into a credential,
// keeps it fresh and revokes it.
//
// Each flow is one file and one row of flows. The package knows definitions
// and OAuth; it does not know where the credential will be kept or how the
// human is reached: that is a UI. An attacker is whoever can feed it input, a
// hostile definition, authorization server or pasted value, or a page and a
// process on this machine that answer in the human's place; whatever comes in
// is checked before it becomes a credential, and nothing is kept of a login
// that did not succeed.
package login

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"authsome/internal/credential"
	"authsome/internal/oauth"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// FlowGitHubApp obtains the token of one installation of a GitHub App, or of
// whatever server does the same.
const FlowGitHubApp = "github_app"

// Errors callers tell apart. What an authorization server says otherwise is
// an error of package oauth.
var (
	ErrFlow         = errors.New("flow is not available")             // also for a flow that the provider has no data for
	ErrCancelled    = errors.New("cancelled")                         // by the user
	ErrTimeout      = errors.New("nobody answered in time")           // five minutes, or the device code's time
	ErrRejected     = errors.New("value is not accepted")             // the pasted value does not look right
	ErrClient       = errors.New("OAuth client is missing or unfit")  // the text names how to give one
	ErrDenied       = errors.New("access was denied")                 // by the human or the authorization server's policy
	ErrRedirect     = errors.New("redirect address can't be used")    // the port is taken
	ErrGrant        = errors.New("grant is gone: log in again")       // expired, revoked, or of a client that is gone
	ErrNoRefresh    = errors.New("nothing to refresh with")           // no refresh token, and no flow without a human
	ErrNoRevocation = errors.New("provider can't revoke this by API") // the human has to, on its pages
)

// timeout is how long a login waits for the human.
const timeout = 5 * time.Minute

// Question asks a human for one value.
type Question struct {
	Provider  string   // display name, safe to print
	Label     string   // what is asked for: "API key"
	Hint      string   // what it looks like, or ""
	CreateURL string   // page where one is made, or ""
	Create    string   // what to do there; "" means "Make a key"
	Optional  bool     // an empty answer is one
	Names     []string // what files of NAME=value lines call it

	// Check says what is wrong with an answer without repeating it; nil
	// accepts all. A UI that can ask again uses it; Run checks in any case.
	Check func(secret.Text) error
}

// Visit is a page the human must go to.
type Visit struct {
	Provider string    // display name, safe to print
	URL      string    // to show: https, printable ASCII
	Open     string    // to start a browser with: leads to URL, holds no secret; http on loopback, or https
	Code     string    // what the human enters there, or ""
	Expiry   time.Time // of Code
}

// UI is a way to reach the human.
type UI interface {
	// Secret returns the answer without the line ending. ErrCancelled when
	// the human gives up.
	Secret(ctx context.Context, q Question) (secret.Text, error)
	// Text is Secret for what may be seen: a client id.
	Text(ctx context.Context, q Question) (string, error)
	// Visit shows where to go, and opens it where it can. It may return at
	// once or when ctx ends: the login goes on beside it. An error ends the
	// login.
	Visit(ctx context.Context, v Visit) error
}

// Request is one login.
type Request struct {
	Definition   *provider.Definition // with its base URL resolved
	Flow         string               // "" means the definition's
	Scopes       []string             // nil means the definition's
	UI           UI
	Given        map[string]secret.Text // flow api_key: the values by field; nil: UI is asked
	Network      Network
	Client       *Client // saved, or given on the command line; nil for none
	Installation string  // flow github_app: the installation's number
}

// Result is what a login obtained.
type Result struct {
	Credential credential.Credential
	Client     *Client  // to be kept with it; nil when there is nothing to keep
	Flow       string   // the flow that was taken: Refresh and Revoke want it back
	Account    string   // who is logged in, as the provider says, safe to print; "" when not known
	Missing    []string // scopes asked for and not granted

	extra map[string]string // what the definition keeps of the token answer
}

// flow obtains a credential.
type flow func(context.Context, Request) (Result, error)

// flows is every flow there is: its name on the command line, and its file.
var flows = map[string]flow{
	provider.FlowAPIKey:            apiKey,            // apikey.go
	provider.FlowPKCE:              pkce,              // pkce.go
	provider.FlowDeviceCode:        deviceCode,        // devicecode.go
	provider.FlowDCR:               dcr,               // dcr.go
	provider.FlowClientCredentials: clientCredentials, // clientcredentials.go
	FlowGitHubApp:                  githubApp,         // githubapp.go
	provider.FlowServiceAccount:    serviceAccount,    // serviceaccount.go
}

// Flows returns the names of all flows, sorted.
func Flows() []string { return slices.Sorted(maps.Keys(flows)) }

// Run obtains a credential. Nothing is kept: that is the caller's part.
func Run(ctx context.Context, req Request) (Result, error) {
	run, ok := flows[req.flow()]
	if !ok {
		return Result{}, fmt.Errorf("%w: %q; this version has %s", ErrFlow, req.flow(), strings.Join(Flows(), ", "))
	}
	result, err := run(ctx, req)
	if err != nil {
		return Result{}, failure(ctx, err)
	}
	if err := result.Credential.Validate(); err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	result.Flow = req.flow()
	result.Account = account(ctx, req, result)
	return result, nil
}

func (r Request) flow() string {
	if r.Flow == "" {
		return r.Definition.Flow
	}
	return r.Flow
}

// scopes are the ones to ask for.
func (r Request) scopes() []string {
	if r.Scopes == nil && r.Definition.OAuth != nil {
		return r.Definition.OAuth.Scopes
	}
	return r.Scopes
}

// unavailable is the error of a flow that the definition has no data for.
func (r Request) unavailable() error {
	return fmt.Errorf("%w: %s has no %s", ErrFlow, r.Definition.Name, r.flow())
}

// failure puts a flow's error into the words of this package.
func failure(ctx context.Context, err error) error {
	switch code := oauth.Code(err); {
	case errors.Is(ctx.Err(), context.Canceled), errors.Is(err, ErrCancelled):
		return ErrCancelled
	case code == oauth.ExpiredToken:
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case code == oauth.AccessDenied:
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case code == oauth.InvalidClient, code == oauth.UnauthorizedClient, errors.Is(err, oauth.ErrClient), errors.Is(err, oauth.ErrKey):
		return fmt.Errorf("%w: %w", ErrClient, err)
	}
	return err
}
