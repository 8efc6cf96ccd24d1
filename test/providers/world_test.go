package providers_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp/syntax"
	"strings"
	"testing"

	"authsome/internal/audit"
	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
	"authsome/internal/vault"
	"authsome/test/lab"
)

// account is a connection to one bundled provider.
type account struct {
	def    *provider.Definition // as at its installation
	fields map[string]string
	calls  int // requests that arrived as they should
}

// world is a user who is logged in to every bundled provider.
type world struct {
	t        *testing.T
	lab      *lab.Lab
	env      []string
	accounts []*account
}

func newWorld(t *testing.T) *world {
	t.Helper()
	l := lab.New(t)
	home := filepath.Join(l.Dir(), "authsome")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	w := &world{t: t, lab: l, env: append(l.Env(home), "AUTHSOME_MASTER_KEY="+key)}
	registry, _, err := provider.Load(filepath.Join(home, "providers"))
	if err != nil {
		t.Fatal(err)
	}
	b := openBroker(t, home, secret.New(key), registry)
	for i, def := range registry.All() {
		w.accounts = append(w.accounts, logIn(t, b, def, i))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

func openBroker(t *testing.T, home string, key secret.Text, registry *provider.Registry) *broker.Broker {
	t.Helper()
	options := vault.Options{Dir: filepath.Join(home, "vault"), KeyFile: filepath.Join(home, "vault.key"), MasterKey: key}
	b, err := broker.New(broker.Config{
		Open:    func(ctx context.Context) (*vault.Vault, error) { return vault.Open(ctx, options) },
		Create:  func(ctx context.Context) (*vault.Vault, error) { return vault.OpenOrCreate(ctx, options) },
		Audit:   func() (*audit.Log, error) { return audit.Open(filepath.Join(home, "audit.log")) },
		Catalog: registry,
		Profile: "default",
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// logIn hands over a key, or a token where the provider has OAuth.
func logIn(t *testing.T, b *broker.Broker, def *provider.Definition, n int) *account {
	t.Helper()
	a := &account{fields: map[string]string{}}
	key := sampleKey(t, def, n)
	for _, field := range credential.FieldNames() {
		a.fields[field] = field + "-of-" + def.Name
	}
	a.fields[credential.APIKey], a.fields[credential.AccessToken] = key, key
	a.fields[credential.AccessKeyID] = key
	a.fields[credential.Username] = fmt.Sprintf("AC%032d", n)
	a.fields[credential.SigningKey] = base64.StdEncoding.EncodeToString([]byte("signs for " + def.Name))
	request := broker.LoginRequest{Provider: def.Name, Flow: provider.FlowAPIKey, UI: pasting(a.fields)}
	if def.NeedsBaseURL() {
		request.BaseURL = "https://" + def.Name + ".own-installation.net"
	}
	if _, err := b.Login(t.Context(), request); err != nil {
		t.Fatalf("%s: %v", def.Name, err)
	}
	var err error
	if a.def, err = def.Resolve(request.BaseURL); err != nil {
		t.Fatal(err)
	}
	return a
}

// pasting is a human who pastes the field that is asked for.
type pasting map[string]string

func (p pasting) Secret(_ context.Context, q login.Question) (secret.Text, error) {
	return secret.New(p[strings.ReplaceAll(strings.ToLower(q.Label), " ", "_")]), nil
}

func (p pasting) Text(context.Context, login.Question) (string, error) { return "", login.ErrCancelled }

func (p pasting) Visit(context.Context, login.Visit) error { return login.ErrCancelled }

// sampleKey is a key of the shape that the vendor documents, another one for
// each n.
func sampleKey(t *testing.T, def *provider.Definition, n int) string {
	t.Helper()
	if def.APIKey == nil || def.APIKey.KeyPattern == "" {
		return fmt.Sprintf("secret-of-%s-%03d", def.Name, n)
	}
	tree, err := syntax.Parse(def.APIKey.KeyPattern, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	key := shortest(tree, n)
	if !def.APIKey.Pattern.MatchString(key) {
		t.Fatalf("%s: %q is no sample of %s", def.Name, key, def.APIKey.KeyPattern)
	}
	return key
}

// shortest is one of the shortest strings that a pattern matches.
func shortest(tree *syntax.Regexp, n int) string {
	switch tree.Op {
	case syntax.OpLiteral:
		return string(tree.Rune)
	case syntax.OpCharClass:
		return string(tree.Rune[0] + rune(n)%(tree.Rune[1]-tree.Rune[0]+1))
	case syntax.OpCapture, syntax.OpPlus:
		return shortest(tree.Sub[0], n)
	case syntax.OpAlternate:
		return shortest(tree.Sub[0], n)
	case syntax.OpRepeat:
		return strings.Repeat(shortest(tree.Sub[0], n), tree.Min)
	case syntax.OpConcat:
		var b strings.Builder
		for i, sub := range tree.Sub {
			b.WriteString(shortest(sub, n+i))
		}
		return b.String()
	}
	return ""
}

// groups puts the accounts into as few runs as possible: two that claim the
// same requests are a tie in one run, and neither would get its credential.
func (w *world) groups() [][]*account {
	var groups [][]*account
next:
	for _, a := range w.accounts {
		for i, group := range groups {
			if !ties(append(group[:len(group):len(group)], a)) {
				groups[i] = append(group, a)
				continue next
			}
		}
		groups = append(groups, []*account{a})
	}
	return groups
}

// ties reports whether the last of the group claims what another one does.
func ties(group []*account) bool {
	var entries []provider.Entry
	for _, a := range group {
		entries = append(entries, provider.Entry{ID: a.def.Name, Def: a.def})
	}
	table := provider.NewTable(entries)
	for _, rule := range group[len(group)-1].def.Rules {
		c := table.Candidates(sample(rule), rule.Port, samplePath(rule)+"/")
		if len(c) > 1 && c[0].Specificity == c[1].Specificity {
			return true
		}
	}
	return false
}

// print writes the table into the test's log.
func (w *world) print() {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-22s %-12s %6s  %s\n", "provider", "kind", "hosts", "what the upstream received")
	for _, a := range w.accounts {
		for _, injection := range a.def.Inject {
			spec := injection.Spec()
			place, received := placeOf(spec, strings.ToUpper), "(websockets only)"
			switch {
			case spec.Kind == "basic":
				received = "Authorization: Basic base64(" + fillIn(spec.Username+":"+spec.Password, strings.ToUpper) + ")"
			case place.kind == "query":
				received = "?" + place.name + "=" + place.value
			case place.kind == "path":
				received = "/" + place.value + "/"
			case place.kind == "body":
				received = "{" + place.name + ": " + place.value + "}"
			case place.kind == "sigv4":
				received = "Authorization: AWS4-HMAC-SHA256 Credential=ACCESS_KEY_ID/…, the signature by SECRET_ACCESS_KEY"
			case place.kind == "hmac":
				received = place.name + ": the signature by SIGNING_KEY"
			case place.kind == "header":
				received = place.name + ": " + place.value
			}
			fmt.Fprintf(&b, "%-22s %-12s %3d/%-3d %s\n", a.def.Name, spec.Kind, a.calls, len(a.def.Rules), received)
		}
	}
	w.t.Log(b.String())
}
