package broker

import (
	"context"
	"slices"
	"testing"

	"authsome/internal/provider"
)

// Only hosts that the user named can be inside: exact ones of a definition of
// theirs, or of a base URL.
func TestPrivateHosts(t *testing.T) {
	inside := func(context.Context, string) bool { return true }
	parse := func(source provider.Source, hosts string) *provider.Definition {
		def, _, err := provider.Parse([]byte(`{"name":"x","display_name":"X","auth_type":"api_key","flow":"api_key","host_url":` + hosts +
			`,"inject":[{"kind":"header","name":"Authorization","value":"Bearer {api_key}"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		def.Source = source
		return def
	}
	const hosts = `["git.corp.example", "https://10.1.2.3:8443/api", "*.wild.corp.example", "git.corp.example:8443"]`
	for _, test := range []struct {
		name string
		req  LoginRequest
		def  *provider.Definition
		want []string
	}{
		{"custom", LoginRequest{Private: inside}, parse(provider.Custom, hosts), []string{"git.corp.example", "10.1.2.3"}},
		{"bundled", LoginRequest{Private: inside}, parse(provider.Bundled, hosts), nil},
		{"base_url", LoginRequest{Private: inside, BaseURL: "https://git.corp.example"}, parse(provider.Bundled, `["git.corp.example"]`), []string{"git.corp.example"}},
		{"nobody_knows", LoginRequest{}, parse(provider.Custom, hosts), nil},
		{"public", LoginRequest{Private: func(context.Context, string) bool { return false }}, parse(provider.Custom, hosts), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.req.private(t.Context(), test.def)
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// What the login found is in the record, and on each use.
func TestPrivateUse(t *testing.T) {
	c := Connection{Provider: "p", Name: "n", Hosts: []string{"git.corp.example"}, Private: []string{"git.corp.example"}}
	data, err := encodeConnection(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeConnection(connectionKey("p", "n"), data)
	if err != nil || !slices.Equal(got.Private, c.Private) {
		t.Errorf("%v, %v", got.Private, err)
	}
}
