package provider_test

import (
	"encoding/json"
	"strings"
	"testing"

	"authsome/internal/provider"
)

// TestPlaceholderShape: a definition's placeholder is one that is recognised,
// prints as it was read, and the schema says the same.
func TestPlaceholderShape(t *testing.T) {
	schema := compileSchema(t)
	for shape, ok := range map[string]bool{
		"sk-authsome-proxy-managed": true, "authsome_proxy_managed": true, "sbp_61757468736f6d652d70726f78792d6d616e6167": true,
		"sk-real": false, "authsome-proxy-managed:work": false, "a b authsome-proxy-managed": false,
	} {
		text := `{"name":"x","display_name":"X","auth_type":"api_key","flow":"api_key","host_url":"x.example","export":{"env":{"api_key":"X_KEY"},"placeholder":"` + shape + `"}}`
		def, _, err := provider.Parse([]byte(text))
		if valid := validate(t, schema, []byte(text)); (err == nil) != ok || (valid == nil) != ok {
			t.Errorf("%q: %v, schema %v", shape, err, valid)
			continue
		}
		if !ok {
			if !strings.Contains(err.Error(), "export.placeholder: is not a prefix") {
				t.Error(err)
			}
			continue
		}
		printed, err := json.Marshal(def.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if again, _, err := provider.Parse(printed); err != nil || again.Placeholder != shape {
			t.Errorf("%s: %v", printed, err)
		}
	}
}
