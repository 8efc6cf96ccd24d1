package broker_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// equalSecrets lets cmp compare secrets.
var equalSecrets = cmp.Comparer(func(a, b secret.Text) bool { return a.Equal(b) })

func (w *world) definition(name string) *provider.Definition {
	w.t.Helper()
	registry, _, err := provider.Load(w.dir + "/providers")
	if err != nil {
		w.t.Fatal(err)
	}
	def, err := registry.Get(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return def
}

// fullClient has something in every field there is.
func fullClient(t *testing.T) *login.Client {
	c := &login.Client{}
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		switch name := v.Type().Field(i).Name; v.Field(i).Interface().(type) {
		case string:
			v.Field(i).SetString("value of " + name)
		case secret.Text:
			v.Field(i).Set(reflect.ValueOf(secret.New("CANARY " + name)))
		default:
			t.Fatalf("field %s is of a kind that no record holds", name)
		}
	}
	return c
}

func TestClient(t *testing.T) {
	w := newOAuthWorld(t)
	def := w.definition("alpha")
	if got, err := w.open().Client(t.Context(), def); got != nil || err != nil {
		t.Fatalf("none: got %v, %v", got, err)
	}
	for name, want := range map[string]*login.Client{"full": fullClient(t), "public": {ID: "x"}} {
		if err := w.open().SaveClient(t.Context(), def, want); err != nil {
			t.Fatal(err)
		}
		got, err := w.open().Client(t.Context(), def)
		if diff := cmp.Diff(want, got, equalSecrets); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		c := connection("access", "refresh")
		c.Client = want
		if err := w.open().Seed(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, w.stored().Client, equalSecrets); diff != "" {
			t.Errorf("%s beside its credential: %s", name, diff)
		}
	}
}

// TestClientStaysHome is D002 for client secrets: an edited definition does
// not get one.
func TestClientStaysHome(t *testing.T) {
	w := newOAuthWorld(t)
	if err := w.open().SaveClient(t.Context(), w.definition("alpha"), &login.Client{ID: "x", Secret: secret.New("CANARY")}); err != nil {
		t.Fatal(err)
	}
	moved := strings.ReplaceAll(oauthDefinition, authServer+"/token", "https://evil.test.example/token")
	if _, err := w.open().Register([]byte(moved), true); err != nil {
		t.Fatal(err)
	}
	if got, err := w.open().Client(t.Context(), w.definition("alpha")); got != nil || err != nil {
		t.Fatalf("got %v, %v", got, err)
	}
}

// browsing is a human who approves in the browser.
type browsing struct {
	answers
	server *oauthtest.Server
}

func (b browsing) Visit(ctx context.Context, v login.Visit) error {
	_, _, err := b.server.Browse(ctx, v.URL)
	return err
}

func (w *oauthWorld) loginPKCE(req broker.LoginRequest) (broker.LoginResult, error) {
	req.Provider, req.UI = "alpha", browsing{server: w.server}
	return w.open().Login(w.t.Context(), req)
}

// TestLoginKeepsClient: a client given once serves later logins, and another
// one does not harm those who were logged in with the first.
func TestLoginKeepsClient(t *testing.T) {
	w := newOAuthWorld(t)
	for _, id := range []string{"one", "two"} {
		w.server.AddApp(oauthtest.App{ID: id, Secret: "CANARY-" + id, AuthMethod: "client_secret_basic"})
	}
	given := func(id string) *login.Client {
		return &login.Client{ID: id, Secret: secret.New("CANARY-" + id), AuthMethod: "client_secret_basic"}
	}
	for _, req := range []broker.LoginRequest{
		{Name: "default", Client: given("one"), Scopes: []string{"read", "write"}},
		{Name: "second"},
		{Name: "third", Client: given("two")},
	} {
		result, err := w.loginPKCE(req)
		if err != nil || result.Already || len(result.Missing) != 0 {
			t.Fatalf("%s: %+v, %v", req.Name, result, err)
		}
	}
	var clients []string
	for _, name := range []string{"default", "second", "third"} {
		c, err := w.open().Connection(t.Context(), "alpha", name)
		if err != nil || c.Client == nil {
			t.Fatal(name, err)
		}
		clients = append(clients, c.Client.ID)
		c.Credential.Expiry = c.ObtainedAt
		if err := w.open().Seed(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if fresh, err := w.open().Fresh(t.Context(), c); err != nil || !w.server.Active(token(fresh)) {
			t.Errorf("%s can't be renewed: %v", name, err)
		}
	}
	if diff := cmp.Diff([]string{"one", "one", "two"}, clients); diff != "" {
		t.Error(diff)
	}
	if c := w.stored(); c.Flow != "pkce" || !cmp.Equal(c.Credential.Scopes, []string{"read", "write"}) || len(c.Endpoints) != 2 {
		t.Errorf("got %+v", c)
	}
	if again, err := w.loginPKCE(broker.LoginRequest{Name: "default", Scopes: []string{"write", "read"}}); err != nil || !again.Already {
		t.Errorf("again: %v", err)
	}
	if _, err := w.open().Revoke(t.Context(), "alpha"); err != nil {
		t.Fatal(err)
	}
	if got, err := w.open().Client(t.Context(), w.definition("alpha")); got != nil || err != nil {
		t.Errorf("revoke leaves the client: %v", err)
	}
}

// TestLogin_O026: fewer scopes than asked for are told and kept, and do not
// make the next login of the same kind necessary.
func TestLogin_O026(t *testing.T) {
	w := newOAuthWorld(t)
	w.server.Script(oauthtest.Token, oauthtest.Set("scope", "read"))
	req := broker.LoginRequest{Scopes: []string{"read", "write"}}
	result, err := w.loginPKCE(req)
	if err != nil || !cmp.Equal(result.Missing, []string{"write"}) {
		t.Fatalf("got %v, %v", result.Missing, err)
	}
	if got := w.stored().Credential.Scopes; !cmp.Equal(got, []string{"read"}) {
		t.Errorf("got %v", got)
	}
	if again, err := w.loginPKCE(req); err != nil || !again.Already {
		t.Errorf("again: %v", err)
	}
}

// TestLogin_O028: a new login that fails leaves the old credential, which can
// still be renewed.
func TestLogin_O028(t *testing.T) {
	w := newOAuthWorld(t)
	w.seed(-1)
	w.server.Script(oauthtest.Token, oauthtest.Refuse(400, "invalid_grant", ""))
	bad := &login.Client{ID: "app"}
	if _, err := w.loginPKCE(broker.LoginRequest{Name: "default", Force: true, Client: bad}); err == nil {
		t.Fatal("it succeeded")
	}
	if got, err := w.open().Client(t.Context(), w.definition("alpha")); got != nil || err != nil {
		t.Errorf("the client of a login that failed is kept: %v", err)
	}
	sendAll(t, w.session(broker.Selection{}), 1, w.server.Active)
}

// TestLoginRegistersClient: a client that authsome registered is kept, and
// serves the next login and the renewals.
func TestLoginRegistersClient(t *testing.T) {
	w := newOAuthWorld(t)
	dynamic := strings.Replace(strings.Replace(oauthDefinition, `"flow":"pkce"`, `"flow":"dcr_pkce"`, 1),
		`"client_id":"app"`, `"registration_endpoint":"https://auth.test.example/register","supports_dcr":true`, 1)
	if _, err := w.open().Register([]byte(dynamic), true); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"default", "second"} {
		if _, err := w.loginPKCE(broker.LoginRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.server.Requests(oauthtest.Register)); n != 1 {
		t.Errorf("%d registrations", n)
	}
	c := w.stored()
	c.Credential.Expiry = c.ObtainedAt
	if err := w.open().Seed(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	sendAll(t, w.session(broker.Selection{}), 1, w.server.Active)
	gone, err := w.open().Logout(t.Context(), "alpha", "")
	if err != nil || w.server.Refreshable(gone.Credential.Field(credential.RefreshToken).Reveal()) {
		t.Errorf("logout: %v", err)
	}
	var missing *broker.NotConnected
	if _, err := w.open().Logout(t.Context(), "alpha", "default"); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}
