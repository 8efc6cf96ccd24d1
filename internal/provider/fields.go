package provider

import (
	"errors"

	"github.com/tailscale/hujson"

	"authsome/internal/inject"
)

// Bounds of lists.
const (
	maxHosts    = 64
	maxScopes   = 256
	maxInject   = 8
	maxEnvNames = 16
	maxOrigins  = 16
	maxDeny     = 64
)

// newDocument returns a document with the defaults of the format.
func newDocument() *document {
	return &document{SchemaVersion: schemaVersion, InjectMode: InjectHost}
}

// readDocument reads the whole file: the list of all fields there are.
func (d *decoder) readDocument() {
	doc, hosts := d.document, []string(nil)
	d.object(&d.root, "", []field{
		{"$schema", false, d.ignored},
		{"schema_version", false, d.number(&doc.SchemaVersion)},
		{"name", true, d.text(&doc.Name)},
		{"display_name", true, d.text(&doc.DisplayName)},
		{"description", false, d.anyText(&doc.Description)},
		{"auth_type", true, d.text(&doc.AuthType)},
		{"flow", true, d.text(&doc.Flow)},
		{"host_url", false, d.texts(&doc.HostURL, maxHosts, true)},
		{"api_url", false, d.texts(&hosts, maxHosts, true)},
		{"docs", false, d.text(&doc.Docs)},
		{"create_url", false, d.text(&doc.CreateURL)},
		{"oauth", false, d.oauth},
		{"api_key", false, d.apiKey},
		{"inject", false, d.injections},
		{"inject_mode", false, d.text(&doc.InjectMode)},
		{"websocket_origins", false, d.texts(&doc.Origins, maxOrigins, true)},
		{"export", false, d.export(&doc.Export)},
		{"self_hosted", false, d.selfHosted},
		{"deny", false, d.deny},
		{"checked", false, d.checked},
		{"metadata", false, d.ignored},
	})
	if hosts != nil && doc.HostURL != nil {
		d.report("/api_url", errors.New("is another name of host_url; keep one of them"))
	}
	doc.HostURL = append(doc.HostURL, hosts...)
}

// ignored accepts what the original wrote and nothing reads.
func (d *decoder) ignored(*hujson.Value, string) {}

func (d *decoder) apiKey(v *hujson.Value, at string) {
	k := &APIKey{}
	d.document.APIKey = k
	var name, prefix string
	d.object(v, at, []field{
		{"header_name", false, func(v *hujson.Value, at string) { k.headerName = &name; d.text(&name)(v, at) }},
		{"header_prefix", false, func(v *hujson.Value, at string) { k.headerPrefix = &prefix; d.anyText(&prefix)(v, at) }},
		{"key_pattern", false, d.text(&k.KeyPattern)},
		{"key_pattern_hint", false, d.anyText(&k.KeyPatternHint)},
		{"live_check", false, d.liveCheck},
	})
	if p := v.Find("/header_prefix"); p != nil && isNull(p) {
		k.headerPrefix = &prefix // null is the other way to write a bare key
	}
}

func (d *decoder) liveCheck(v *hujson.Value, at string) {
	c := &LiveCheck{Method: "GET", Status: 200}
	d.document.APIKey.LiveCheck = c
	d.object(v, at, []field{
		{"method", false, d.text(&c.Method)},
		{"url", true, d.text(&c.URL)},
		{"status", false, d.number(&c.Status)},
	})
}

func (d *decoder) injections(v *hujson.Value, at string) {
	d.document.Inject = []inject.Spec{}
	d.elements(v, at, maxInject, func(v *hujson.Value, at string) {
		var s inject.Spec
		d.object(v, at, []field{
			{"kind", true, d.text(&s.Kind)},
			{"name", false, d.anyText(&s.Name)},
			{"value", false, d.anyText(&s.Value)},
			{"username", false, d.anyText(&s.Username)},
			{"password", false, d.anyText(&s.Password)},
			{"sign", false, d.signing(&s.Sign)},
			{"at", false, d.texts(&s.At, maxHosts, true)},
		})
		d.document.Inject = append(d.document.Inject, s)
	})
}

func (d *decoder) signing(into **inject.Signing) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		s := &inject.Signing{}
		*into = s
		d.object(v, at, []field{
			{"algorithm", true, d.text(&s.Algorithm)},
			{"key", false, d.text(&s.Key)},
			{"key_encoding", false, d.text(&s.KeyEncoding)},
			{"message", true, d.text(&s.Message)},
			{"encoding", true, d.text(&s.Encoding)},
			{"in", false, d.text(&s.In)},
			{"timestamp", false, d.text(&s.Timestamp)},
			{"clock", false, d.text(&s.Clock)},
		})
	}
}

func (d *decoder) export(into **export) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		fields := inject.FieldNames()
		names := make([][]string, len(fields))
		env := func(v *hujson.Value, at string) {
			var members []field
			for i, name := range fields {
				members = append(members, field{name, false, d.texts(&names[i], maxEnvNames, true)})
			}
			d.object(v, at, members)
		}
		var shape string
		d.object(v, at, []field{{"env", false, env}, {"placeholder", false, d.text(&shape)}})
		*into = &export{Env: map[string][]string{}, Placeholder: shape}
		for i, name := range fields {
			if len(names[i]) > 0 {
				(*into).Env[name] = names[i]
			}
		}
	}
}

func (d *decoder) checked(v *hujson.Value, at string) {
	c := &Checked{}
	d.document.Checked = c
	d.object(v, at, []field{
		{"url", true, d.text(&c.URL)},
		{"date", true, d.text(&c.Date)},
		{"note", false, d.anyText(&c.Note)},
	})
}

func (d *decoder) deny(v *hujson.Value, at string) {
	d.document.Deny = []Denial{}
	d.elements(v, at, maxDeny, func(v *hujson.Value, at string) {
		var denial Denial
		d.object(v, at, []field{
			{"methods", false, d.texts(&denial.Methods, maxDeny, true)},
			{"path", true, d.texts(&denial.Path, maxDeny, true)},
			{"reason", true, d.text(&denial.Reason)},
		})
		d.document.Deny = append(d.document.Deny, denial)
	})
}
