package provider_test

import (
	"errors"
	"strings"
	"testing"

	"authsome/internal/provider"
)

func hostileJSON(t *testing.T) {
	ok := apiKeyDef(`"a.example.com"`, "")
	member := func(s string) string { return strings.TrimSuffix(ok, "}") + "," + s + "}" }
	for _, tc := range []struct{ name, data, path, want string }{
		{"duplicate", member(`"name":"other"`), "name", "twice"},
		{"duplicate_escaped", member(`"n\u0061me":"other"`), "name", "twice"},
		{"duplicate_nested", member(`"export":{"env":{"api_key":"A","api_key":"B"}}`), "export.env.api_key", "twice"},
		{"bom", "\ufeff" + ok, "", "byte order mark"},
		{"utf16", "\xff\xfe{\x00}\x00", "", "UTF-16"},
		{"nan", member(`"schema_version":NaN`), "", "not a JSON value"},
		{"infinity", member(`"schema_version":-Infinity`), "", "not a JSON value"},
		{"deep", strings.Repeat("[", 100_000), "", "nested deeper"},
		{"deep_objects", strings.Repeat(`{"a":`, 40_000), "", "nested deeper"},
		{"deep_in_place", member(`"metadata":` + strings.Repeat("[", 17) + strings.Repeat("]", 17)), "", "nested deeper"},
		{"huge", strings.Repeat(" ", 100<<20), "", "larger than 256 KiB"},
		{"invalid_utf8", strings.Replace(ok, "Acme", "Ac\xffme", 1), "", "UTF-8"},
		{"surrogate", strings.Replace(ok, "Acme", `Ac\ud800me`, 1), "display_name", "U+FFFD"},
		{"garbage", ok + "x", "", "after top-level value"},
		{"two_values", ok + ok, "", "after top-level value"},
		{"truncated", ok[:len(ok)-1], "", "JSON"},
		{"empty", " \n", "", "empty"},
		{"only_comment", "// nothing", "", "JSON"},
		{"open_comment", ok + "/* ", "", "JSON"},
		{"single_quotes", "{'name':'acme'}", "", "JSON"},
		{"not_an_object", `["name"]`, "", "must be an object"},
		{"null", "null", "", "must be an object, not null"},
		{"missing", `{}`, "auth_type", "is required"},
		{"null_required", strings.Replace(ok, `"Acme"`, "null", 1), "display_name", "can't be null"},
		{"empty_required", strings.Replace(ok, `"Acme"`, `""`, 1), "display_name", "empty"},
		{"number_for_text", strings.Replace(ok, `"Acme"`, "5", 1), "display_name", "must be a string, not a number"},
		{"text_for_flag", oauthDef(`"a.example.com"`, `"pkce":"true"`), "oauth.pkce", "must be true or false, not a string"},
		{"text_for_number", member(`"schema_version":"1"`), "schema_version", "must be a number"},
		{"text_for_object", member(`"export":"X"`), "export", "must be an object"},
		{"object_for_list", member(`"inject":{}`), "inject", "must be a list"},
		{"number_in_list", apiKeyDef(`["a.example.com",5]`, ""), "host_url[1]", "must be a string"},
		{"too_many", apiKeyDef(`[`+strings.Repeat(`"a.example.com",`, 65)+`"b.example.com"]`, ""), "host_url", "more than 64"},
		{"twice_in_list", apiKeyDef(`["a.example.com","https://A.example.com/"]`, ""), "host_url[1]", "there twice"},
		{"auth_type", strings.Replace(ok, `"auth_type":"api_key"`, `"auth_type":"browser"`, 1), "auth_type", "is not one of api_key, oauth2"},
		{"flow", strings.Replace(ok, `"flow":"api_key"`, `"flow":"pkce"`, 1), "flow", "is not one of api_key"},
		{"no_oauth", strings.Replace(strings.Replace(ok, `"auth_type":"api_key"`, `"auth_type":"oauth2"`, 1), `"flow":"api_key"`, `"flow":"pkce"`, 1), "oauth", "is required"},
		{"oauth_of_key", member(`"oauth":{"token_url":"https://a.example.com/t"}`), "oauth", "no meaning"},
		{"no_token_url", oauthDef(`"a.example.com"`, `"authorization_url":"https://a.example.com/a"`), "oauth.token_url", "is required for flow"},
		{"device_token_request", oauthDef(`"a.example.com"`, `"device_token_request":"xml"`), "oauth.device_token_request", "is not one of"},
		{"scope", oauthDef(`"a.example.com"`, `"scopes":["a","b c"]`), "oauth.scopes[1]", "scope"},
		{"both_names", member(`"api_url":"b.example.com"`), "api_url", "another name"},
		{"api_url", strings.Replace(ok, `"host_url":"a.example.com"`, `"api_url":["com"]`, 1), "api_url[0]", "too broad"},
		{"inject_empty", member(`"inject":[]`), "inject", "empty"},
		{"inject_kind", member(`"inject":[{"kind":"trailer","name":"a","value":"{api_key}"}]`), "inject[0]", "kind"},
		{"inject_field", member(`"inject":[{"kind":"header","name":"A","value":"{client_secret}"}]`), "inject[0]", "token endpoint only"},
		{"inject_twice", member(`"inject":[{"kind":"basic","username":"{api_key}"},{"kind":"header","name":"AUTHORIZATION","value":"{api_key}"}]`), "inject[1]", "set twice"},
		{"inject_and_header", member(`"api_key":{"header_name":"X-Key"},"inject":[{"kind":"header","name":"A","value":"{api_key}"}]`), "inject", "keep inject"},
		{"inject_mode", member(`"inject_mode":"never"`), "inject_mode", "is not one of host, placeholder"},
		{"live_check_method", member(`"api_key":{"live_check":{"url":"https://a.example.com/","method":"DELETE"}}`), "api_key.live_check.method", "GET, HEAD"},
		{"live_check_status", member(`"api_key":{"live_check":{"url":"https://a.example.com/","status":500}}`), "api_key.live_check.status", "500"},
		{"date", member(`"checked":{"url":"https://a.example.com/","date":"2026-02-31"}`), "checked.date", "not a date"},
		{"env_field", member(`"export":{"env":{"access_token":"A"}}`), "export.env.access_token", "no meaning"},
		{"env_twice", member(`"export":{"env":{"api_key":["A","a"]}}`), "export.env.api_key[1]", "twice"},
	} {
		t.Run(tc.name, func(t *testing.T) { refuse(t, tc.data, tc.path, tc.want) })
	}
	t.Run("env_names", func(t *testing.T) {
		for _, name := range []string{"PATH", "path", "LD_PRELOAD", "LD_X", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "ENV", "IFS", "HOME", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "GIT_SSH_COMMAND", "https_proxy",
			"NO_PROXY", "SSL_CERT_FILE", "AUTHSOME_HOME", "1A", "A-B", "A B", "A=B", "É", "", "A\n", strings.Repeat("A", 129)} {
			refuse(t, member(`"export":{"env":{"api_key":`+js(name)+`}}`), "export.env.api_key", "")
		}
	})
	t.Run("place", func(t *testing.T) {
		_, _, err := provider.Parse([]byte("{\n  \"name\": \"acme\",\n  \"display_name\": 5,\n\t\"auth_type\": \"api_key\", \"flow\": \"x\", \"host_url\": [\n\"com\"]\n}"))
		want := "provider definition is invalid\n  3:19: display_name: must be a string, not a number\n  4:34: flow: \"x\" is not one of api_key\n" +
			"  5:1: host_url[0]: host \"com\" has no dot: a bare top-level domain or local name is too broad"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
	t.Run("allowed", func(t *testing.T) {
		parse(t, "// comment\n{ /* c */ \"name\":\"acme\",\"display_name\":\"Acme\",\"auth_type\":\"api_key\",\"flow\":\"api_key\",\"docs\":null,\"oauth\":null,\"metadata\":{\"x\":[1]},\n}\n// end\n")
	})
	t.Run("unknown_fields_warn", func(t *testing.T) {
		data := member(`"hots_url":"b.example.com","api_key":{"key_patern":"x"}`)
		_, warnings, err := provider.Parse([]byte(data))
		if err != nil || len(warnings) != 2 || !strings.Contains(warnings[0].Message, `did you mean "host_url"?`) || !strings.Contains(warnings[1].Message, `"key_pattern"`) || warnings[1].Path != "api_key" {
			t.Errorf("%v, %v", warnings, err)
		}
		var invalid *provider.Invalid
		if _, err := load(t, t.TempDir()).Register([]byte(data), false); !errors.As(err, &invalid) || len(invalid.Problems) != 2 {
			t.Errorf("register: %v", err)
		}
	})
	t.Run("many_problems", func(t *testing.T) {
		_, _, err := provider.Parse([]byte(`{` + strings.Repeat(`"name":1,`, 20_000) + `}`))
		var invalid *provider.Invalid
		if !errors.As(err, &invalid) || len(invalid.Problems) > 50 {
			t.Errorf("%.300v", err)
		}
	})
}
