package provider

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"authsome/internal/inject"
)

// Bounds of text, in characters.
const (
	maxTitle   = 100
	maxProse   = 500
	maxPattern = 1 << 10
	maxPrefix  = 64
)

// sampleBase stands in for a base URL that is not known yet, so that what is
// built on it can be checked.
const sampleBase = "https://base-url.example.com"

// flows says which flows go with an auth_type.
var flows = map[string][]string{
	AuthAPIKey: {FlowAPIKey},
	AuthOAuth2: {FlowPKCE, FlowDeviceCode, FlowDCR, FlowClientCredentials},
}

// builder checks a document and makes a Definition of it. report takes a JSON
// pointer and what is wrong there.
type builder struct {
	*document
	base   string // "" when it is not known
	report func(at string, err error)
}

// build returns the definition of doc for the installation at base.
func build(written *document, base string, report func(at string, err error)) *Definition {
	doc := written.at(base)
	b := builder{doc, base, report}
	b.checkHead()
	def := &Definition{
		Name: doc.Name, DisplayName: doc.DisplayName, Description: doc.Description, AuthType: doc.AuthType, Flow: doc.Flow,
		Docs: doc.Docs, CreateURL: doc.CreateURL, BaseURL: base, InjectMode: doc.InjectMode, Deny: doc.Deny, Checked: doc.Checked,
		written: written,
	}
	def.Inject = b.inject()
	def.HostURL, def.Rules = b.hosts(ownerFor(def.Inject))
	def.OAuth = b.oauth()
	def.endpoints = def.OAuth.authEndpoints()
	def.APIKey = b.apiKey()
	def.placed = b.place(def)
	def.Origins = b.origins()
	def.Env, def.Placeholder = b.env(), b.placeholder()
	b.checkDeny()
	b.checkChecked()
	if !doc.isTemplated() {
		def.BaseURL = ""
	}
	def.denied = def.denials()
	return def
}

// check reports err, if it is one.
func (b *builder) check(at string, err error) bool {
	if err != nil {
		b.report(at, err)
	}
	return err == nil
}

// checkEnum reports a value that is not one of allowed.
func (b *builder) checkEnum(at, value string, allowed ...string) bool {
	if slices.Contains(allowed, value) {
		return true
	}
	b.report(at, fmt.Errorf("%s is not one of %s", quote(value), strings.Join(allowed, ", ")))
	return false
}

func (b *builder) checkHead() {
	if b.SchemaVersion != schemaVersion {
		b.report("/schema_version", fmt.Errorf("version %d is not known; this authsome reads version %d", b.SchemaVersion, schemaVersion))
	}
	b.check("/name", checkName(b.Name))
	b.check("/display_name", checkTitle(b.DisplayName))
	b.check("/description", checkText(b.Description, maxProse))
	b.checkPage("/docs", b.Docs)
	b.checkPage("/create_url", b.CreateURL)
	b.checkEnum("/inject_mode", b.InjectMode, InjectHost, InjectPlaceholder)
	if b.checkEnum("/auth_type", b.AuthType, AuthAPIKey, AuthOAuth2) {
		b.checkEnum("/flow", b.Flow, flows[b.AuthType]...)
	}
}

// checkTitle accepts a short text that is not empty.
func checkTitle(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("is empty")
	}
	return checkText(s, maxTitle)
}

func (b *builder) checkPage(at, page string) {
	if page != "" {
		b.check(at, checkPageURL(page))
	}
}

// filled returns a templated value for checking, and whether it is final.
func (b *builder) filled(s string) (value string, final bool) {
	if b.base == "" && strings.HasPrefix(s, baseURLTemplate) {
		return fill(s, sampleBase), false
	}
	return fill(s, b.base), true
}

// hosts returns the host rules, filled and parsed.
func (b *builder) hosts(ownerOf ownership) (written []string, rules []Rule) {
	seen := map[string]bool{}
	for i, host := range b.HostURL {
		at := "/host_url/" + strconv.Itoa(i)
		value, final := b.filled(host)
		rule, err := parseTemplatedRule(host, value, ownerOf)
		if !b.check(at, err) {
			continue
		}
		if seen[rule.String()] {
			b.report(at, fmt.Errorf("%s is there twice", quote(host)))
		}
		seen[rule.String()] = true
		if !final {
			written = append(written, host)
			continue
		}
		written, rules = append(written, value), append(rules, rule)
	}
	return written, rules
}

// parseTemplatedRule parses a filled rule. A pattern has braces of its own, so
// it can't hold a template.
func parseTemplatedRule(written, filled string, ownerOf ownership) (Rule, error) {
	if pattern, isPattern := cutPrefixFold(filled, "regex:"); isPattern {
		if strings.Contains(written, baseURLTemplate) {
			return Rule{}, fmt.Errorf("regex: a pattern can't hold %s", baseURLTemplate)
		}
		if len(filled) <= maxRule {
			return parsePattern(pattern, ownerOf)
		}
	} else if err := checkTemplate(written); err != nil {
		return Rule{}, err
	}
	return ParseRule(filled)
}

// apiKey returns the api_key block with its pattern compiled.
func (b *builder) apiKey() *APIKey {
	if b.APIKey == nil {
		return nil
	}
	if b.AuthType == AuthOAuth2 {
		b.report("/api_key", fmt.Errorf("has no meaning for auth_type %q", AuthOAuth2))
	}
	k := *b.APIKey
	var err error
	k.Pattern, err = compileKeyPattern(k.KeyPattern)
	b.check("/api_key/key_pattern", err)
	b.check("/api_key/key_pattern_hint", checkText(k.KeyPatternHint, maxProse))
	k.LiveCheck = b.liveCheck()
	return &k
}

// compileKeyPattern anchors a pattern to the whole key.
func compileKeyPattern(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("pattern is longer than %d bytes", maxPattern)
	}
	tree, err := parseRE2(pattern)
	if err != nil {
		return nil, err
	}
	if programSize(tree) > maxKeyProgram {
		return nil, fmt.Errorf("pattern compiles to more than %d steps", maxKeyProgram)
	}
	compiled, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("pattern does not stand on its own: %w", err)
	}
	return compiled, nil
}

// liveCheck returns the live check with its URL filled. The key goes there,
// so it must be a place the key may go.
func (b *builder) liveCheck() *LiveCheck {
	if b.APIKey.LiveCheck == nil {
		return nil
	}
	const at = "/api_key/live_check"
	c := *b.APIKey.LiveCheck
	b.checkEnum(at+"/method", c.Method, "GET", "HEAD")
	if c.Status < 200 || c.Status > 499 {
		b.report(at+"/status", fmt.Errorf("%d is not a status from 200 to 499", c.Status))
	}
	if !b.check(at+"/url", checkTemplate(c.URL)) {
		return &c
	}
	value, final := b.filled(c.URL)
	if b.check(at+"/url", b.checkClaimed(value)) && final {
		c.URL = value
	}
	return &c
}

// checkClaimed accepts a URL that one of the definition's own rules claims.
func (b *builder) checkClaimed(s string) error {
	u, err := parseHTTPS(s)
	if err != nil {
		return err
	}
	port, err := urlPort(u)
	if err != nil {
		return err
	}
	for _, host := range b.HostURL {
		value, _ := b.filled(host)
		if rule, err := ParseRule(value); err == nil && rule.Match(u.Hostname(), port, u.EscapedPath()) {
			return nil
		}
	}
	return errors.New("is at none of the definition's own hosts")
}

// inject compiles what is put on a request.
func (b *builder) inject() []inject.Injection {
	specs, at := b.Inject, func(i int) string { return "/inject/" + strconv.Itoa(i) }
	switch header := b.header(); {
	case specs == nil && b.AuthType == AuthOAuth2:
		specs = b.oauthInject()
	case specs == nil:
		specs, at = []inject.Spec{header}, func(int) string { return "/api_key/header_name" }
	case len(specs) == 0:
		b.report("/inject", errors.New("is empty; leave it out for the default"))
	case b.APIKey != nil && (b.APIKey.headerName != nil || b.APIKey.headerPrefix != nil):
		b.report("/inject", errors.New("and api_key.header_name or header_prefix say the same thing twice; keep inject"))
	}
	var compiled []inject.Injection
	for i, spec := range specs {
		spec.At = b.fillPlaces(at(i), spec.At)
		if spec.At != nil && len(spec.At) == 0 {
			continue // for hosts that this installation does not have
		}
		injection, err := inject.Compile(spec)
		if !b.check(at(i), err) {
			continue
		}
		if slices.ContainsFunc(compiled, func(other inject.Injection) bool { return collide(other.Spec(), spec) }) {
			b.report(at(i), fmt.Errorf("%s is set twice", target(spec)))
		}
		compiled = append(compiled, injection)
	}
	if len(compiled) > 0 && !slices.ContainsFunc(compiled, func(i inject.Injection) bool { return !i.WebSocketOnly() }) {
		b.report("/inject", errors.New("has nothing for requests, only for websockets"))
	}
	return compiled
}

// collide reports whether two Specs set the same on one request.
func collide(a, b inject.Spec) bool {
	if target(a) != target(b) || (a.At == nil) != (b.At == nil) {
		return false
	}
	return a.At == nil || slices.ContainsFunc(a.At, func(rule string) bool { return slices.Contains(b.At, rule) })
}

// target names what a Spec sets, so that two of them can be told to collide.
func target(s inject.Spec) string {
	switch s.Kind {
	case "basic":
		return "header authorization"
	case "hmac":
		return "signature " + strings.ToLower(s.Name)
	case "path":
		return "path " + s.Value
	}
	return s.Kind + " " + strings.ToLower(s.Name)
}

// ownerFor lets the patterns of a definition that only signs match hosts below
// a suffix under which the vendor lets others have names, as S3's buckets are:
// what a host is shown is good for one request to it.
func ownerFor(injections []inject.Injection) ownership {
	if len(injections) == 0 || slices.ContainsFunc(injections, func(i inject.Injection) bool { return !i.Signs() }) {
		return registrable
	}
	return registered
}

// header is the injection that the api_key block stands for.
func (b *builder) header() inject.Spec {
	spec := inject.Spec{Kind: "header", Name: "Authorization", Value: "Bearer {api_key}"}
	if b.APIKey == nil {
		return spec
	}
	if name := b.APIKey.headerName; name != nil {
		spec.Name = *name
	}
	prefix := b.APIKey.headerPrefix
	switch {
	case prefix == nil:
	case *prefix == "":
		spec.Value = "{api_key}"
	case len(*prefix) > maxPrefix || strings.ContainsAny(*prefix, "{}"):
		b.report("/api_key/header_prefix", fmt.Errorf("%s is longer than %d characters or holds a brace", quote(*prefix), maxPrefix))
	default:
		spec.Value = *prefix + " {api_key}"
	}
	return spec
}

// placeholder returns the shape of the placeholder, or "" for the plain one.
func (b *builder) placeholder() string {
	if b.Export == nil || b.Export.Placeholder == "" {
		return ""
	}
	if !inject.IsShape(b.Export.Placeholder) {
		b.report("/export/placeholder", fmt.Errorf("is not a prefix (letters, digits, _ . -) and %s", strings.Join(inject.Spellings(), " or ")))
	}
	return b.Export.Placeholder
}

// env returns the names that a credential's fields are exported under.
func (b *builder) env() map[string][]string {
	if b.Export == nil || len(b.Export.Env) == 0 {
		return nil
	}
	seen := map[string]string{}
	for _, field := range slices.Sorted(maps.Keys(b.Export.Env)) {
		if isToken(field) != (b.AuthType == AuthOAuth2) {
			b.report("/export/env/"+field, fmt.Errorf("has no meaning for auth_type %q", b.AuthType))
		}
		for i, name := range b.Export.Env[field] {
			at := "/export/env/" + field + "/" + strconv.Itoa(i)
			b.check(at, checkEnvName(name))
			if other, again := seen[strings.ToUpper(name)]; again {
				b.report(at, fmt.Errorf("%s is there twice, for %s and %s", quote(name), other, field))
			}
			seen[strings.ToUpper(name)] = field
		}
	}
	return b.Export.Env
}

// isToken reports whether a field is what an authorization server gives.
func isToken(field string) bool { return field == "access_token" || field == "refresh_token" }

func (b *builder) checkChecked() {
	if b.Checked == nil {
		return
	}
	b.check("/checked/url", checkPageURL(b.Checked.URL))
	if _, err := time.Parse(time.DateOnly, b.Checked.Date); err != nil {
		b.report("/checked/date", fmt.Errorf("%s is not a date as 2026-01-31", quote(b.Checked.Date)))
	}
	b.check("/checked/note", checkText(b.Checked.Note, maxProse))
}
