package provider

import (
	"errors"
	"fmt"
	"strings"
)

// selfHosted is what differs at an installation that is not the vendor's own.
// What it leaves out that installation does not have.
type selfHosted struct {
	HostURL    []string
	AccountURL string
	Revocation *Revocation
	Export     *export

	InstallationTokenURL string
}

// at returns the document as it stands for the installation at base: doc
// itself, or a copy with what is self-hosted in place.
func (doc *document) at(base string) *document {
	if doc.SelfHosted == nil || doc.OAuth == nil || base == "" {
		return doc
	}
	if own, err := doc.defaultBase(); err != nil || isSamePlace(own, base) {
		return doc
	}
	there, o := *doc, *doc.OAuth
	o.Revocation, o.InstallationTokenURL = doc.SelfHosted.Revocation, doc.SelfHosted.InstallationTokenURL
	o.Account = nil
	if account := doc.OAuth.Account; account != nil && doc.SelfHosted.AccountURL != "" {
		moved := *account
		moved.URL = doc.SelfHosted.AccountURL
		o.Account = &moved
	}
	there.vendorHosts = doc.HostURL
	there.OAuth, there.HostURL, there.Export = &o, doc.SelfHosted.HostURL, doc.SelfHosted.Export
	return &there
}

// isSamePlace compares base URLs however they are spelled.
func isSamePlace(a, b string) bool {
	one, errOne := ParseRule(a)
	other, errOther := ParseRule(b)
	return errOne == nil && errOther == nil && one.String() == other.String()
}

// selfHostedPlaces are the members of a document that the block replaces, and
// its own.
var selfHostedPlaces = []struct{ outer, inner string }{
	{"/host_url", "/self_hosted/host_url"},
	{"/oauth/account/url", "/self_hosted/account_url"},
	{"/oauth/revocation", "/self_hosted/revocation"},
	{"/oauth/installation_token_url", "/self_hosted/installation_token_url"},
	{"/export", "/self_hosted/export"},
}

// checkSelfHosted reports what is wrong in the block: all that would be wrong
// with the definition of some installation.
func (doc *document) checkSelfHosted(report func(at string, err error)) {
	if doc.SelfHosted == nil {
		return
	}
	if doc.OAuth == nil || doc.OAuth.BaseURL == "" {
		report("/self_hosted", errors.New("has a meaning only with oauth.base_url, the installation of the vendor's own"))
		return
	}
	if !strings.HasPrefix(doc.OAuth.TokenURL, baseURLTemplate) {
		report("/oauth/token_url", fmt.Errorf("must begin with %s beside self_hosted: one server's tokens are not another's", baseURLTemplate))
	}
	build(doc, sampleBase, func(at string, err error) {
		for _, place := range selfHostedPlaces {
			if rest, ok := strings.CutPrefix(at, place.outer); ok && (rest == "" || rest[0] == '/') {
				report(place.inner+rest, err)
				return
			}
		}
		report(at, fmt.Errorf("with self_hosted: %w", err))
	})
}
