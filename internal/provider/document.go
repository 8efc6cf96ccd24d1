package provider

import (
	"slices"
	"strings"

	"authsome/internal/inject"
)

// schemaVersion is the newest version of the format that is understood.
const schemaVersion = 1

// document is a definition as it is written in a file, templates and all.
type document struct {
	SchemaVersion int           `json:"schema_version"`
	Name          string        `json:"name"`
	DisplayName   string        `json:"display_name"`
	Description   string        `json:"description,omitempty"`
	AuthType      string        `json:"auth_type"`
	Flow          string        `json:"flow"`
	HostURL       []string      `json:"host_url,omitempty"`
	Docs          string        `json:"docs,omitempty"`
	CreateURL     string        `json:"create_url,omitempty"`
	OAuth         *OAuth        `json:"oauth,omitempty"`
	APIKey        *APIKey       `json:"api_key,omitempty"`
	Inject        []inject.Spec `json:"inject,omitempty"`
	InjectMode    string        `json:"inject_mode"`
	Origins       []string      `json:"websocket_origins,omitempty"`
	Export        *export       `json:"export,omitempty"`
	SelfHosted    *selfHosted   `json:"-"`
	Deny          []Denial      `json:"deny,omitempty"`
	Checked       *Checked      `json:"checked,omitempty"`

	vendorHosts []string // what self_hosted has replaced in HostURL
}

// export says under which names tools look for a credential.
type export struct {
	Env         map[string][]string `json:"env"`
	Placeholder string              `json:"placeholder,omitempty"`
}

// JSON returns the definition for encoding/json, with defaults and templates
// filled in: it is the one of its installation. Parse reads it back.
func (d *Definition) JSON() any {
	doc := document{
		SchemaVersion: schemaVersion, Name: d.Name, DisplayName: d.DisplayName, Description: d.Description,
		AuthType: d.AuthType, Flow: d.Flow, HostURL: d.HostURL, Docs: d.Docs, CreateURL: d.CreateURL,
		OAuth: d.OAuth, APIKey: d.APIKey, InjectMode: d.InjectMode, Origins: d.Origins, Deny: d.Deny, Checked: d.Checked,
	}
	for _, injection := range d.Inject {
		doc.Inject = append(doc.Inject, injection.Spec())
	}
	if len(d.Env) > 0 {
		doc.Export = &export{Env: d.Env, Placeholder: d.Placeholder}
	}
	return doc
}

// defaultBase returns the installation meant when none is named, or "".
func (doc *document) defaultBase() (string, error) {
	if doc.OAuth == nil || doc.OAuth.BaseURL == "" {
		return "", nil
	}
	return checkBaseURL(doc.OAuth.BaseURL)
}

// isTemplated reports whether some value holds {base_url}.
func (doc *document) isTemplated() bool {
	return slices.ContainsFunc(doc.templates(), func(s string) bool { return strings.Contains(s, baseURLTemplate) })
}

// templates returns every value that may hold {base_url}.
func (doc *document) templates() []string {
	values := slices.Clone(doc.HostURL)
	if doc.SelfHosted != nil {
		values = append(values, doc.SelfHosted.HostURL...)
	}
	if doc.OAuth != nil {
		for _, field := range doc.OAuth.urls() {
			values = append(values, *field.value)
		}
	}
	if doc.APIKey != nil && doc.APIKey.LiveCheck != nil {
		values = append(values, doc.APIKey.LiveCheck.URL)
	}
	return values
}
