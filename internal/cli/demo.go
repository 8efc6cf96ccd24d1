package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/ca"
	"authsome/internal/secret"
)

//go:embed demo.jsonc
var demoDefinition []byte

const demoURL = "https://api.authsome-demo.example/v1/whoami"

func newDemo(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work, offline",
		Long: `The main job in one command, offline: an HTTPS API on this machine stands in for a
provider, a generated key goes into a temporary vault, and a command calls the
API through ` + "`authsome run`" + `. Your own vault is not touched.

Exit codes:
  0  the API got the key and the command never saw it
  1  anything else`,
		Example: "  authsome demo",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.demo(c.Context()) },
	}
	c.AddCommand(&cobra.Command{
		Use: "client", Hidden: true, Args: cobra.NoArgs,
		Short: "The command that the demo runs",
		RunE:  func(c *cobra.Command, _ []string) error { return a.demoClient(c.Context()) },
	})
	return c
}

// demoReport is everything the command could see.
type demoReport struct {
	Environ []string `json:"environ"`
	Parent  string   `json:"parent_memory"` // what came of reading authsome's memory map
	Status  int      `json:"status"`
	Header  string   `json:"response_header"`
	Body    string   `json:"response_body"`
}

func (a *app) demo(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(a.tempDir(), "authsome-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	key := secret.New("demo-" + rand.Text())
	api, err := startDemoAPI(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return err
	}
	defer api.close()
	report, err := a.demoRun(ctx, dir, api, key)
	if err != nil {
		return err
	}
	return a.demoVerdict(report, api.received(), key)
}

// demoRun does what a user would do: register, login, run.
func (a *app) demoRun(ctx context.Context, dir string, api *demoAPI, key secret.Text) (demoReport, error) {
	definition := filepath.Join(dir, "demo.jsonc")
	if err := os.WriteFile(definition, demoDefinition, 0o600); err != nil {
		return demoReport{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return demoReport{}, err
	}
	env := a.demoEnviron(dir, api)
	if _, err := a.demoStep(ctx, env, "", self, "register", definition, "--yes"); err != nil {
		return demoReport{}, err
	}
	if _, err := a.demoStep(ctx, env, key.Reveal(), self, "login", "demo", "--with-token"); err != nil {
		return demoReport{}, err
	}
	out, err := a.demoStep(ctx, env, "", self, "run", "--", self, "demo", "client")
	if err != nil {
		return demoReport{}, err
	}
	var report demoReport
	if err := json.Unmarshal(out, &report); err != nil {
		return demoReport{}, fmt.Errorf("the command's report: %w", err)
	}
	return report, nil
}

// demoEnviron points authsome at the stand-in: the demo's API is reached
// through a parent proxy, as a corporate network would have one.
func (a *app) demoEnviron(dir string, api *demoAPI) []string {
	dropped := []string{"DBUS_SESSION_BUS_ADDRESS", "AUTHSOME_PROFILE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "DEMO_API_KEY"}
	env := slices.DeleteFunc(slices.Clone(a.sys.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(dropped, name)
	})
	return append(env, "AUTHSOME_HOME="+filepath.Join(dir, "home"), "HTTPS_PROXY="+api.parentURL, "SSL_CERT_FILE="+api.caFile,
		"AUTHSOME_MASTER_KEY="+base64.StdEncoding.EncodeToString(random32()))
}

func random32() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program first
	return key
}

// demoStep runs authsome itself, with input on its standard input.
func (a *app) demoStep(ctx context.Context, env []string, input string, self string, args ...string) ([]byte, error) {
	a.notice("$ authsome %s", strings.Join(append([]string{}, strings.ReplaceAll(strings.Join(args, " "), self, "authsome")), " "))
	var out, failure bytes.Buffer
	c := exec.CommandContext(ctx, self, args...)
	c.Env, c.Stdin, c.Stdout, c.Stderr = env, strings.NewReader(input), &out, &failure
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("authsome %s: %w: %s", args[0], err, strings.TrimSpace(failure.String()))
	}
	return out.Bytes(), nil
}

// demoVerdict prints both sides and decides.
func (a *app) demoVerdict(report demoReport, got []string, key secret.Text) error {
	seen, err := json.Marshal(report)
	if err != nil {
		return err
	}
	want := "Authorization: Bearer " + key.Reveal()
	received := slices.Contains(got, want)
	leaked := holds(string(seen), key.Reveal())
	verdict := map[string]any{
		"command_saw_key": leaked, "api_got_key": received,
		"command": map[string]any{"DEMO_API_KEY": variable(report.Environ, "DEMO_API_KEY"), "HTTPS_PROXY": variable(report.Environ, "HTTPS_PROXY"), "status": report.Status, "response": report.Body, "authsome_memory": report.Parent},
		"api":     map[string]any{"request": got},
	}
	if err := a.print(verdict, func(w io.Writer) { a.printDemo(w, report, got, leaked, received) }); err != nil {
		return err
	}
	if leaked || !received {
		return &exitError{exit: exitOther}
	}
	return nil
}

// holds reports whether text holds the key, also in hexadecimal or base64.
func holds(text, key string) bool {
	return strings.Contains(text, key) || strings.Contains(text, hex.EncodeToString([]byte(key))) ||
		strings.Contains(text, base64.RawStdEncoding.EncodeToString([]byte(key)))
}

func variable(environ []string, name string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func (a *app) printDemo(w io.Writer, report demoReport, got []string, leaked, received bool) {
	left := []string{
		"DEMO_API_KEY=" + variable(report.Environ, "DEMO_API_KEY"), "HTTPS_PROXY=" + variable(report.Environ, "HTTPS_PROXY"),
		fmt.Sprintf("GET %s: %d", demoURL, report.Status), "answer: " + strings.TrimSpace(report.Body), "authsome's memory: " + report.Parent,
	}
	rows := [][]string{{"WHAT THE COMMAND COULD SEE", "WHAT THE API RECEIVED"}}
	for i := range max(len(left), len(got)) {
		row := []string{"", ""}
		if i < len(left) {
			row[0] = left[i]
		}
		if i < len(got) {
			row[1] = got[i]
		}
		rows = append(rows, row)
	}
	fmt.Fprintln(w)
	a.table(w, rows, func(i int) string { return map[bool]string{true: bold}[i == 0] })
	fmt.Fprintln(w)
	a.table(w, [][]string{
		{"The command saw the key:", map[bool]string{true: "YES (this is a defect)", false: "no"}[leaked]},
		{"The API got the key:", map[bool]string{true: "yes", false: "NO (this is a defect)"}[received]},
	}, nil)
}

// demoClient is the command the demo runs: it calls the API like any program,
// with the key its environment has, and reports all it can see.
func (a *app) demoClient(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, demoURL, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+a.getenv("DEMO_API_KEY"))
	pem, err := os.ReadFile(a.getenv("SSL_CERT_FILE"))
	if err != nil {
		return err
	}
	pool, err := ca.Pool(pem)
	if err != nil {
		return err
	}
	parent, err := a.parentProxy()
	if err != nil {
		return err
	}
	transport := demoTransport(pool, parent)
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return err
	}
	report := demoReport{
		Environ: a.sys.Environ, Parent: parentMemory(), Status: response.StatusCode,
		Header: fmt.Sprint(response.Header), Body: string(body),
	}
	return json.NewEncoder(a.stdout).Encode(report)
}

// parentMemory tries what a curious program would: authsome's own memory.
func parentMemory() string {
	_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", os.Getppid()))
	switch {
	case os.Geteuid() == 0 && err == nil:
		return "readable (the demo runs as root, who may read everything)"
	case err == nil:
		return "readable"
	case errors.Is(err, os.ErrPermission):
		return "not readable"
	}
	return "not readable here"
}
