// Package provider is service definitions as data: which hosts a service has,
// how a credential for it is obtained, where it goes on a request, and under
// which names tools look for it.
//
// A definition is one JSON file with comments. The bundled ones are in
// builtin; a folder of the user's adds to them. Parse reports every mistake of
// a file with its place, a Table finds the definitions that a request belongs
// to, a Registry finds them by name. A Policy is a file of the same make: which
// requests may leave, by host, method and path. The package knows no connection, no vault
// and no network.
//
// An attacker is the author of a definition that somebody was talked into
// registering, and the client that names hosts and paths: a rule that
// could match the hosts of two owners is refused when it is read, a path that
// two servers could read differently is refused when it is asked for.
package provider

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"authsome/internal/inject"
)

// Source is where a definition comes from.
type Source string

// The sources.
const (
	Bundled Source = "bundled" // part of the program
	Custom  Source = "custom"  // a file of the user's
)

// What a definition may say in its enumerations.
const (
	AuthAPIKey = "api_key"
	AuthOAuth2 = "oauth2"

	FlowAPIKey            = "api_key"
	FlowPKCE              = "pkce"
	FlowDeviceCode        = "device_code"
	FlowDCR               = "dcr_pkce"
	FlowClientCredentials = "client_credentials"
	FlowGitHubApp         = "github_app"      // never a definition's own: it is for machines
	FlowServiceAccount    = "service_account" // this too

	InjectHost        = "host"        // wherever the rules match
	InjectPlaceholder = "placeholder" // only where the client sent the placeholder
)

// ErrBaseURL is wrapped when a definition needs the address of a self-hosted
// installation and has none, or is given one that it can't use.
var ErrBaseURL = errors.New("base URL")

// Definition is one provider. Definitions are shared: treat them as constants.
type Definition struct {
	Name        string
	DisplayName string
	Description string
	AuthType    string // AuthAPIKey or AuthOAuth2
	Flow        string // the flow that login takes by default
	Docs        string // page about authentication, or ""
	CreateURL   string // page where a key is made, or ""

	BaseURL     string              // the installation that templates were filled with, or ""
	HostURL     []string            // host rules as written, templates filled
	Rules       []Rule              // HostURL parsed; rules that still need a base URL are left out
	OAuth       *OAuth              // nil unless AuthType is AuthOAuth2
	APIKey      *APIKey             // nil when the definition says nothing about its keys
	Inject      []inject.Injection  // of all rules together: see InjectAt
	InjectMode  string              // InjectHost or InjectPlaceholder
	Origins     []string            // of other sites whose pages may open a websocket with the credential
	Env         map[string][]string // credential field to environment variable names
	Placeholder string              // in the place of a key or access token there, where tools look at its shape; "" for the plain one
	Deny        []Denial            // where the credential is not used
	Checked     *Checked            // nil when nobody says

	Source    Source
	Path      string // the file of a custom definition
	Overrides bool   // it hides a bundled definition of its name

	written   *document
	placed    map[string][]inject.Injection // by rule; nil when all of Inject goes with every rule
	endpoints []authEndpoint
	denied    []denied
}

// APIKey is what is known about a provider's keys.
type APIKey struct {
	KeyPattern     string         `json:"key_pattern,omitempty"` // RE2, as written
	KeyPatternHint string         `json:"key_pattern_hint,omitempty"`
	LiveCheck      *LiveCheck     `json:"live_check,omitempty"`
	Pattern        *regexp.Regexp `json:"-"` // KeyPattern anchored to the whole key, nil without one

	headerName, headerPrefix *string // the original's way to say Inject
}

// LiveCheck is a harmless request that tells a good key from a bad one.
type LiveCheck struct {
	Method string `json:"method"` // GET or HEAD
	URL    string `json:"url"`    // claimed by the definition's own rules
	Status int    `json:"status"` // of the answer to a good key
}

// Checked says which page of the vendor a definition was compared with.
type Checked struct {
	URL  string `json:"url"`
	Date string `json:"date"` // YYYY-MM-DD
	Note string `json:"note,omitempty"`
}

// Parse reads a definition. Warnings are fields that mean nothing here. The
// error is an *Invalid, which holds every mistake with its place.
func Parse(data []byte) (*Definition, []Problem, error) {
	d, err := decode(data)
	if err != nil {
		return nil, nil, err
	}
	base, err := d.document.defaultBase()
	if err != nil {
		d.report("/oauth/base_url", err)
	}
	def := build(d.document, base, d.report)
	d.document.checkSelfHosted(d.report)
	if len(d.problems) > 0 {
		return nil, d.warnings, d.invalid()
	}
	return def, d.warnings, nil
}

// NeedsBaseURL reports whether a definition is of use only after Resolve with
// the address of an installation.
func (d *Definition) NeedsBaseURL() bool {
	return d.BaseURL == "" && d.written.isTemplated()
}

// Resolve returns the definition for the installation at baseURL, or for the
// default one when baseURL is "". Errors wrap ErrBaseURL.
func (d *Definition) Resolve(baseURL string) (*Definition, error) {
	if baseURL == "" {
		if d.NeedsBaseURL() {
			return nil, fmt.Errorf("%s: %w is missing: the address of your installation", d.Name, ErrBaseURL)
		}
		return d, nil
	}
	if !d.written.isTemplated() {
		return nil, fmt.Errorf("%s: %w can't be set: there is only one %s", d.Name, ErrBaseURL, d.DisplayName)
	}
	base, err := checkBaseURL(baseURL)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", d.Name, ErrBaseURL, err)
	}
	var broken error
	resolved := build(d.written, base, func(at string, err error) {
		broken = errors.Join(broken, fmt.Errorf("%s: %w: %s: %w", d.Name, ErrBaseURL, pointerText(at), err))
	})
	if broken != nil {
		return nil, broken
	}
	resolved.Source, resolved.Path = d.Source, d.Path
	return resolved, nil
}

// authEndpoint is an OAuth endpoint in a form that spellings can't change.
type authEndpoint struct {
	host string
	port uint16
	path string
}

// AuthEndpoint reports whether a request goes to one of the provider's own
// OAuth endpoints, however its path is spelled (case, slashes, dot segments,
// percent-encoding, query). The access token is no business of theirs.
func (d *Definition) AuthEndpoint(host string, port uint16, path string) bool {
	if len(d.endpoints) == 0 {
		return false
	}
	name, ok := canonicalHost(host)
	if !ok || !slices.ContainsFunc(d.endpoints, func(e authEndpoint) bool { return e.host == name && e.port == port }) {
		return false
	}
	return slices.Contains(d.endpoints, authEndpoint{name, port, foldPath(path)})
}

// ForeignHosts returns the hosts of the provider's OAuth endpoints that no
// owner of its claimed hosts also owns, sorted: a login hands codes and tokens
// to them, so whoever registers the definition should see them.
func (d *Definition) ForeignHosts() []string {
	var foreign []string
	for _, e := range slices.Concat(d.endpoints, d.OAuth.issuer()) {
		if !slices.ContainsFunc(d.Rules, func(r Rule) bool { return r.ownedBy(registrable(e.host)) }) {
			foreign = append(foreign, e.host)
		}
	}
	slices.Sort(foreign)
	return slices.Compact(foreign)
}

// ownedBy reports whether the rule's hosts belong to the owner of domain.
func (r Rule) ownedBy(domain string) bool {
	return slices.ContainsFunc(r.Suffixes(), func(s string) bool { return domain != "" && registrable(s) == domain })
}
