package provider_test

import (
	"testing"

	"authsome/internal/provider"
)

func TestAllowsOrigin_W011(t *testing.T) {
	def := &provider.Definition{Origins: []string{"https://app.example.net"}}
	for _, test := range []struct {
		host    string
		origins []string
		want    bool
	}{
		{"api.example.com", nil, true},
		{"api.example.com", []string{"https://api.example.com"}, true},
		{"api.example.com", []string{"https://API.example.com:8443"}, true},
		{"api.example.com", []string{"http://api.example.com"}, true}, // what older websocket-client says of itself
		{"api.example.com", []string{"https://example.com"}, true},
		{"api.example.com", []string{"https://console.example.com"}, true},
		{"api.example.com", []string{"https://app.example.net"}, true}, // the definition says so
		{"api.example.com", []string{"vscode-webview://1a2b"}, true},
		{"api.example.com", []string{"chrome-extension://abcdef"}, true},
		{"localhost", []string{"https://localhost:3000"}, true},
		{"192.0.2.1", []string{"https://192.0.2.1"}, true},

		{"api.example.com", []string{"https://evil.example.org"}, false},
		{"api.example.com", []string{"http://console.example.com"}, false}, // anybody on the network's
		{"api.example.com", []string{"https://api.example.com.evil.org"}, false},
		{"api.example.com", []string{"https://evilexample.com"}, false},
		{"api.example.com", []string{"https://app.example.net:444"}, false},
		{"api.example.com", []string{"https://app.example.net/"}, false},
		{"api.example.com", []string{"http://localhost:3000"}, false},
		{"a.github.io", []string{"https://b.github.io"}, false}, // strangers
		{"localhost", []string{"https://evil.localhost"}, false},
		{"192.0.2.1", []string{"https://192.0.2.2"}, false},
		{"api.example.com", []string{"null"}, false},
		{"api.example.com", []string{""}, false},
		{"api.example.com", []string{"file://"}, false},
		{"api.example.com", []string{"data:"}, false},
		{"api.example.com", []string{"https://api.example.com@evil.org"}, false},
		{"api.example.com", []string{"https://api.example.com\\@evil.org"}, false},
		{"api.example.com", []string{"https://"}, false},
		{"api.example.com", []string{"https://api.example.com", "https://evil.org"}, false},
		{"api.example.com", []string{"https://api.example.com, https://evil.org"}, false},
	} {
		if got := def.AllowsOrigin(test.host, test.origins); got != test.want {
			t.Errorf("%s from %q: %v", test.host, test.origins, got)
		}
	}
}
