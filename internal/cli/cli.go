// Package cli is the command line: it reads flags, environment and terminal,
// wires the other packages together, prints, and maps errors to exit codes.
//
// One file holds one command and commands lists them. The package knows no
// protocol and no cryptography. What an attacker controls here are names,
// files and texts from provider definitions; every text that goes to a
// terminal is escaped first, and no error or log line holds a secret.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"authsome/internal/child"
	"authsome/internal/login"
	"authsome/internal/prompt"
	"authsome/internal/secret"
	"authsome/internal/vault"
)

// System is the process the command line runs in.
type System struct {
	Args                  []string // without the program's name
	Environ               []string // NAME=value
	Stdin, Stdout, Stderr *os.File
}

// Process returns the System of this process, and makes the process safe to
// hold secrets: nothing can read its memory, and GODEBUG can't weaken TLS.
func Process() System {
	s := System{os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr}
	// The runtime reads GODEBUG at every use; a child still gets the user's.
	_ = os.Unsetenv("GODEBUG")
	return s
}

// app is one invocation.
type app struct {
	sys    System
	stdout *checkedWriter
	log    *slog.Logger
	limits child.Limits // what a child gets back of the limits that Harden took

	strictCA bool // verify upstream servers against public authorities only

	json, quiet, noColor, verbose bool
	logFile, profile              string

	definitionsWarned []string // see warnDefinitions

	// sourceWarn tells what a source's command said, in place of warn.
	sourceWarn func(format string, args ...any)

	vaultMu sync.Mutex // guards vault
	vault   *vault.Vault

	answers       map[string]secret.Text // see askVault
	terminalGiven atomic.Bool            // a child has the terminal: nothing can be asked any more
}

// commands is every command there is, run first, in the order help shows them.
func commands() []func(*app) *cobra.Command {
	return []func(*app) *cobra.Command{
		newRun, newLogin, newLogout, newList, newGet, newInspect, newExport, newDefault, newPolicy, newExplain,
		newScan, newMigrate, newRegister, newRemove, newRevoke, newLog, newRekey, newBackup, newRestore, newWhoami, newDoctor, newCA, newSkill,
		newDemo, newVersion, newConnection,
	}
}

// Run executes one command line and returns the exit code.
func Run(ctx context.Context, s System) int {
	a := &app{sys: s, stdout: &checkedWriter{w: s.Stdout}, log: slog.New(slog.DiscardHandler)}
	limits, err := child.Harden()
	if err != nil {
		return a.fail(fmt.Errorf("protect this process's memory: %w", err))
	}
	a.limits = limits
	root := a.root()
	root.SetArgs(s.Args)
	if signals := endSignals(); len(signals) > 0 { // none would mean all of them
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, signals...)
		defer stop()
	}
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = a.stdout.err
	}
	if c.Name() == runName {
		err = runError(err)
	}
	if err != nil {
		// A bad flag may stand before --json; the answer is JSON all the same.
		a.json = a.json || as[*usageError]()(err) && asksJSON(s.Args)
		return a.fail(err)
	}
	return 0
}

// endSignals are the signals that end a command, less those that whoever
// started it, nohup for example, has it ignore.
func endSignals() []os.Signal {
	return slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "authsome",
		Short: "Programs call APIs with credentials they never see",
		Long: `authsome keeps the credentials of your API providers in an encrypted vault and puts
them on requests by destination, so that the programs you run never hold them.`,
		Example: `  authsome login openai                 # store a key once
  authsome run -- python my_agent.py    # the agent calls OpenAI without holding the key
  authsome demo                         # see it work, offline`,
		Version:           version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.openLog() },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(a.stdout)
	root.SetErr(a.sys.Stderr)
	root.SetIn(a.sys.Stdin)
	root.SetVersionTemplate("authsome version {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, withoutValue(err)) })
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print one JSON document on stdout and nothing else")
	flags.BoolVar(&a.quiet, "quiet", false, "no notices; data, warnings of consequence and errors still appear")
	flags.BoolVar(&a.noColor, "no-color", false, "no colours (also NO_COLOR)")
	flags.BoolVar(&a.verbose, "verbose", false, "debug log on stderr")
	flags.StringVar(&a.logFile, "log-file", "", "append the debug log to this `FILE` (also AUTHSOME_LOG)")
	flags.StringVar(&a.profile, "profile", "", "use the profile called `NAME` (also AUTHSOME_PROFILE, else \"default\")")
	all := commands()
	if len(a.sys.Args) > 0 && a.sys.Args[0] == runName { // the one whose start counts needs no other's flags
		all = all[:1]
	}
	for _, command := range all {
		root.AddCommand(command(a))
	}
	root.AddCommand(newCompletion(root))
	root.SetHelpCommand(newHelp(root))
	return checkArgs(root)
}

// checkArgs makes a wrong number of arguments a usage error.
func checkArgs(c *cobra.Command) *cobra.Command {
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				return usage(c, err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
	return c
}

// withoutValue takes the value out of the error for a flag that does not want
// it: somebody may have tried --with-token=SECRET.
func withoutValue(err error) error {
	var invalid interface{ GetValue() string }
	if !errors.As(err, &invalid) || invalid.GetValue() == "" {
		return err
	}
	quoted := strconv.Quote(invalid.GetValue())
	shown := strings.NewReplacer(quoted, "value", quoted[1:len(quoted)-1], "value", invalid.GetValue(), "value")
	return errors.New(shown.Replace(err.Error()))
}

// asksJSON looks for --json where it is authsome's: in front of a child's
// command.
func asksJSON(args []string) bool {
	for i, arg := range args {
		if arg == "--" || i > 0 && args[i-1] == "run" && !strings.HasPrefix(arg, "-") {
			return false
		}
		if arg == "--json" || arg == "--json=true" {
			return true
		}
	}
	return false
}

// getenv returns a variable of the process's environment, the last one when
// there are several.
func (a *app) getenv(name string) string {
	value := ""
	for _, entry := range a.sys.Environ {
		if key, rest, ok := strings.Cut(entry, "="); ok && sameVariable(key, name) {
			value = rest
		}
	}
	return value
}

// interactive reports whether a human can be asked.
func (a *app) interactive() bool {
	return term.IsTerminal(int(a.sys.Stdin.Fd())) && term.IsTerminal(int(a.sys.Stderr.Fd()))
}

// canAsk is an error with a hint where no human can be asked.
func (a *app) canAsk(hint string) error {
	if a.interactive() {
		return nil
	}
	return &hinted{errors.New("there is no terminal to ask on"), hint}
}

// ask returns login.ErrCancelled unless the answer is yes.
func (a *app) ask(ctx context.Context, question string) error {
	yes, err := prompt.Terminal{In: a.sys.Stdin, Out: a.sys.Stderr}.Confirm(ctx, question)
	if err == nil && !yes {
		err = login.ErrCancelled
	}
	return err
}

// checkedWriter remembers the first error, so that a full disk behind a pipe
// does not end in exit code 0.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(p)
	if err != nil {
		c.err = fmt.Errorf("standard output: %w", err)
	}
	return n, c.err
}
