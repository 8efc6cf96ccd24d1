package provider_test

import (
	"slices"
	"strings"
	"testing"

	"authsome/internal/provider"
)

// TestBuiltinsDeny: each denied path can be asked for, and is denied.
func TestBuiltinsDeny(t *testing.T) {
	count := 0
	for name, def := range builtins(t) {
		hosted := []*provider.Definition{def}
		if def.NeedsBaseURL() || def.BaseURL != "" {
			there, err := def.Resolve("https://own.example.com")
			if err != nil {
				t.Fatal(err)
			}
			hosted = append(hosted, there)
		}
		for _, denial := range def.Deny {
			for _, path := range denial.Path {
				count++
				path = strings.ReplaceAll(path, "*", "x")
				if got := def.Denied([]string{firstMethod(denial)}, path); got == "" || got != denial.Reason {
					t.Errorf("%s: %s is not denied: %q", name, path, got)
				}
				if !slices.ContainsFunc(hosted, func(d *provider.Definition) bool { return claims(d, path) }) {
					t.Errorf("%s: no rule claims %s", name, path)
				}
			}
		}
	}
	if count < 100 {
		t.Errorf("only %d denied paths", count)
	}
}

func firstMethod(d provider.Denial) string {
	if len(d.Methods) == 0 {
		return "PATCH"
	}
	return d.Methods[0]
}

func claims(d *provider.Definition, path string) bool {
	return slices.ContainsFunc(d.Rules, func(r provider.Rule) bool {
		host := r.Suffixes()[0]
		if r.Kind == provider.Wildcard {
			host = "x." + host
		}
		return r.Match(host, r.Port, path)
	})
}

func TestDenied(t *testing.T) {
	gitlab := builtins(t)["gitlab"]
	below, err := gitlab.Resolve("https://git.example.com/tools/gitlab")
	if err != nil {
		t.Fatal(err)
	}
	const path = "/api/v4/user/personal_access_tokens"
	for name, spelled := range map[string]string{
		"plain":          path,
		"final_slash":    path + "/",
		"double_slash":   "/api/v4//user//personal_access_tokens",
		"case":           "/API/v4/user/Personal_Access_Tokens",
		"query":          path + "?x=1",
		"encoded":        "/api/v4/user/%70ersonal_access_tokens",
		"twice_encoded":  "/api/v4/user/%2570ersonal_access_tokens",
		"dots":           "/api/v4/projects/../user/./personal_access_tokens",
		"encoded_dots":   "/api/v4/projects/%2e%2e/user/%2e/personal_access_tokens",
		"params":         "/api/v4/user;a=b/personal_access_tokens;c",
		"dots_params":    "/api/v4/x/..;/user/personal_access_tokens",
		"backslash":      `/api/v4\user\personal_access_tokens`,
		"encoded_slash":  "/api/v4/user%2Fpersonal_access_tokens",
		"format":         path + ".json",
		"encoded_query":  path + "%3Fx",
		"group_path":     "/api/v4/projects/group%2Fsub%2Fproject/access_tokens",
		"group_path_dot": "/api/v4/projects/group%2fmy.project/access_tokens/",
		"rotate":         "/api/v4/personal_access_tokens/self/rotate",
	} {
		t.Run("X012_"+name, func(t *testing.T) {
			if gitlab.Denied([]string{"POST"}, spelled) == "" || below.Denied([]string{"POST"}, spelled) == "" || below.Denied([]string{"POST"}, "/tools/gitlab"+spelled) == "" {
				t.Errorf("%s is not denied", spelled)
			}
			if gitlab.Denied([]string{"GET"}, spelled) != "" || gitlab.Denied([]string{"GET", "POST"}, spelled) == "" {
				t.Error("methods")
			}
		})
	}
	for _, other := range []string{"/", "", path + "/5/x", "/x" + path, "/api/v4/user", "/api/v4/projects/1/access_tokens_x", "/api/v4/user/personal_access_tokens.x"} {
		if got := gitlab.Denied([]string{"POST"}, other); got != "" {
			t.Errorf("%q is denied: %s", other, got)
		}
	}
}

func BenchmarkDenied(b *testing.B) {
	def := builtins(b)["github"]
	b.ReportAllocs()
	for b.Loop() {
		if def.Denied([]string{"POST"}, "/repos/owner/name/issues/5/comments") != "" {
			b.Fatal("denied")
		}
	}
}
