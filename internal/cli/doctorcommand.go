package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"authsome/internal/child"
	"authsome/internal/truststore"
)

// needs is what `doctor -- COMMAND` says of a command.
type needs struct {
	Path        string   `json:"path"`
	Kind        string   `json:"kind"`
	Title       string   `json:"title"`
	Version     string   `json:"version,omitempty"`
	Interpreter string   `json:"interpreter,omitempty"`
	Variables   []string `json:"variables"`
	Limits      []string `json:"limits"`
	Cover       string   `json:"cover,omitempty"`
}

// doctorCommand explains what a command will need in a run. It starts nothing.
func (a *app) doctorCommand(ctx context.Context, args []string) error {
	path, err := child.LookPath(args[0], a.getenv("PATH"))
	if err != nil {
		path = args[0] // a notice may have a client's word for its name
	}
	found := child.Recognize(path)
	if err != nil && found.ID == child.Unknown {
		return a.diagnose([]check{result("program", "", err)}, nil)
	}
	n := &needs{
		Path: path, Kind: found.ID, Title: found.Title, Version: found.Version, Interpreter: found.By,
		Variables: append([]string{}, found.Variables...), Limits: limits(found), Cover: found.Cover,
	}
	checks := []check{result("program", path, err), n.kind(found, a.installedIn(ctx, found.Stores))}
	if len(n.Variables) > 0 {
		checks = append(checks, check{Name: "variables", OK: true, Detail: strings.Join(n.Variables, ", ")})
	}
	checks = append(checks, a.checkFilesOf(found.Program))
	for _, limit := range n.Limits {
		checks = append(checks, check{Name: "limit", OK: true, Detail: limit})
	}
	return a.diagnose(checks, n)
}

// diagnose prints checks and says by the exit code whether all are well.
func (a *app) diagnose(checks []check, n *needs) error {
	bad := slices.ContainsFunc(checks, func(c check) bool { return !c.OK })
	document := map[string]any{"status": map[bool]string{true: "not_ready", false: "ready"}[bad], "checks": checks}
	if n != nil {
		document["command"] = n
	}
	if err := a.print(document, func(w io.Writer) { a.printChecks(w, checks) }); err != nil {
		return err
	}
	if bad {
		return &exitError{exit: exitOther}
	}
	return nil
}

// kind says whether a run serves the kind of program; installed, that a store
// it reads has the authority below which runs are.
func (n *needs) kind(found child.Recognized, installed bool) check {
	detail := found.Title
	for _, more := range []string{found.Version, found.By} {
		if more != "" {
			detail += ", " + more
		}
	}
	c := check{Name: "kind", OK: !found.Unserved && !(found.ID == "go" && ignoresVariable(runtime.GOOS, found.Version)), Detail: detail}
	if !c.OK && installed {
		c.OK, c.Detail = true, c.Detail+", served by what authsome ca install has put into its store"
		return c
	}
	if !c.OK || found.Uncertain || found.Cover != "" && len(n.Limits) > 0 {
		c.Hint = cmp.Or(found.Cover, "authsome export PROVIDER")
		if c.OK {
			c.Hint = "if it does not work: " + c.Hint
		}
	}
	return c
}

// installedIn reports whether one of the trust stores has the installed
// authority. It asks the certificates that lie beside the vault, which need no
// key.
func (a *app) installedIn(ctx context.Context, stores []string) bool {
	h, err := a.home()
	if err != nil || len(stores) == 0 {
		return false
	}
	kept := &authority{home: h}
	kept.adopt()
	certs, _ := kept.certs()
	system := a.stores()
	for _, cert := range certs {
		targets, _ := truststore.Find(system, cert, stores)
		if slices.ContainsFunc(targets, func(t truststore.Target) bool { return t.Has(ctx, system, cert) }) {
			return true
		}
	}
	return false
}

// limits are what a run can't do for a program, in words.
func limits(found child.Recognized) []string {
	out := []string{}
	if found.Limits != "" {
		out = append(out, found.Limits)
	}
	isolated := slices.ContainsFunc(found.Options, func(o string) bool {
		return strings.HasPrefix(o, "-") && !strings.HasPrefix(o, "--") && strings.ContainsAny(o, "IE")
	})
	if found.ID == "python" && isolated {
		out = append(out, "its first line has "+strings.Join(found.Options, " ")+": it ignores PYTHONPATH")
	}
	return out
}

// ignoresVariable reports whether a program built with this version of Go
// reads the system's certificates only, whatever SSL_CERT_FILE says.
func ignoresVariable(system, version string) bool {
	if system != "darwin" && system != "windows" {
		return false
	}
	rest, ok := strings.CutPrefix(version, "go1.")
	digits, _, _ := strings.Cut(rest, ".")
	digits, _, _ = strings.Cut(digits, "rc")
	minor, err := strconv.Atoi(digits)
	return ok && err == nil && minor < 27
}

// checkFilesOf names settings in the user's files that keep programs of this
// kind from a run. A program that is no tool of its own may start any.
func (a *app) checkFilesOf(p child.Program) check {
	found := a.defeats(func(name string) bool { return p.Uncertain || name == p.Config })
	if len(found) == 0 {
		return check{Name: "configuration", OK: true, Detail: "nothing in the home folder keeps it from a run"}
	}
	return configurationCheck(found)
}

func configurationCheck(found []string) check {
	return check{Name: "configuration", Detail: strings.Join(found, "; "), Hint: "take the lines out: a run sets proxy and certificates by variables, and HTTPS_PROXY does so elsewhere"}
}

// defeats are the settings that no variable overrides, of the programs chosen.
func (a *app) defeats(chosen func(name string) bool) []string {
	var found []string
	for _, p := range programs() {
		if !chosen(p.name) {
			continue
		}
		for _, file := range a.configFiles(p) {
			for _, s := range readSettings(file) {
				if slices.Contains(p.defeats, s.key) {
					found = append(found, fmt.Sprintf("%s will not use a run: %s, line %d, sets %q", p.name, file, s.line, s.key))
				}
			}
		}
	}
	return found
}
