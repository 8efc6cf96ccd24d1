package prompt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/login"
	"authsome/internal/prompt"
)

// TestLines: several values come one a line or by name, and what is missing
// is an error that shows none of them.
func TestLines(t *testing.T) {
	questions := []login.Question{
		{Label: "Access key ID", Names: []string{"access_key_id", "ACME_KEY_ID"}},
		{Label: "Secret access key", Names: []string{"secret_access_key", "ACME_SECRET"}},
		{Label: "Session token", Names: []string{"session_token", "ACME_TOKEN"}, Optional: true},
	}
	for name, c := range map[string]struct {
		in   string
		want []string
		err  error
	}{
		"lines":          {in: "id\nse=cret=\ntoken\n", want: []string{"id", "se=cret=", "token"}},
		"CRLF":           {in: "id\r\nsecret\r\n", want: []string{"id", "secret", ""}},
		"no token":       {in: "id\n\nsecret", want: []string{"id", "secret", ""}},
		"shell":          {in: "export ACME_TOKEN=t==\nexport ACME_KEY_ID=id\nexport ACME_EXPIRY=x\nexport ACME_SECRET=s/+=\n", want: []string{"id", "s/+=", "t=="}},
		"quotes":         {in: "ACME_KEY_ID = \"id\"\nACME_SECRET='secret'\n", want: []string{"id", "secret", ""}},
		"field names":    {in: "secret_access_key=secret\naccess_key_id=id\n", want: []string{"id", "secret", ""}},
		"secret missing": {in: "id\n", want: []string{"id"}, err: prompt.ErrInput},
		"name missing":   {in: "ACME_KEY_ID=id\nCANARY\n", want: []string{"id"}, err: prompt.ErrInput},
		"empty":          {in: "\n", err: prompt.ErrInput},
		"too long":       {in: strings.Repeat("CANARY\n", 64<<10), err: prompt.ErrInput},
	} {
		t.Run(name, func(t *testing.T) {
			lines := &prompt.Lines{In: strings.NewReader(c.in)}
			var got []string
			var err error
			for _, q := range questions {
				answer, failed := lines.Secret(t.Context(), q)
				if err = failed; err != nil {
					break
				}
				got = append(got, answer.Reveal())
			}
			if !errors.Is(err, c.err) || err != nil && strings.Contains(err.Error(), "CANARY") {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
