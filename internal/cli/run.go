package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/spf13/cobra"

	"authsome/internal/agent"
	"authsome/internal/child"
	"authsome/internal/provider"
)

const runName = "run"

type runOptions struct {
	connections []string
	only        []string
	allowDenied []string
	mode        string
	allowHosts  []string
	inject      string
	listen      string
	noShims     bool
	ca          string
	strictCA    bool
	printEnv    bool
	policyFile  string

	policy *provider.Policy // of policyFile, as it was at the start; nil without one
	agent  agent.Profile    // of the command; the zero one when it is no agent we know
}

func newRun(a *app) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   runName + " [flags] [--] COMMAND [ARGS...]",
		Short: "Run a command whose API calls get your credentials",
		Long: `Run a command behind a proxy that puts your credentials on its requests, by
destination host. The command sees placeholders only. Flags after the command
are the command's own.

Exit codes: the command's own; 128+N when signal N ended it.
  2    wrong usage
  125  authsome failed before the command started
  126  the command can't be executed
  127  the command was not found`,
		Example: `  authsome run -- python my_agent.py
  authsome run -- curl -s https://api.openai.com/v1/models
  authsome run --connection github=work --only github gh repo list
  authsome run --mode deny --allow-host pypi.org -- pip install requests
  authsome run --policy read-only.jsonc -- python my_agent.py`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(args); err != nil {
				return usage(c, err)
			}
			return a.run(c.Context(), o, args)
		},
	}
	f := c.Flags()
	f.SetInterspersed(false)
	a.selectionFlags(c, &o)
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "`ADDR:PORT` of the proxy, a loopback address")
	f.BoolVar(&o.noShims, "no-shims", false, "load nothing of authsome's into Node.js, Deno, Bun and Python")
	f.StringVar(&o.ca, "ca", "", "`KIND` of certificate authority: persistent (what ca install made; the default where there is one) or ephemeral")
	f.BoolVar(&o.strictCA, "strict-ca", false, "trust public authorities only, and none that this system or SSL_CERT_FILE adds")
	f.BoolVar(&o.printEnv, "print-env", false, "print the variables the command would get, and why, and stop")
	_ = c.RegisterFlagCompletionFunc("ca", cobra.FixedCompletions([]string{caPersistent, caEphemeral}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (o runOptions) check(args []string) error {
	host, _, err := net.SplitHostPort(o.listen)
	switch {
	case len(args) == 0 && !o.printEnv:
		return errors.New("which command? authsome run -- COMMAND [ARGS...]")
	case len(args) > 0 && args[0] == "":
		return errors.New("the command is empty")
	case !slices.Contains([]string{"", caPersistent, caEphemeral}, o.ca):
		return fmt.Errorf("--ca %q is neither persistent nor ephemeral", o.ca)
	case err != nil || !net.ParseIP(host).IsLoopback():
		return fmt.Errorf("--listen %q is not ADDR:PORT with a loopback address", o.listen)
	}
	return o.checkSelection()
}

// runError gives errors of authsome's own the exit code 125, but for wrong
// usage, which is 2 as everywhere.
func runError(err error) error {
	var own *exitError
	var wrong *usageError
	if err == nil || errors.As(err, &own) || errors.As(err, &wrong) {
		return err
	}
	return &exitError{child.ExitFailed, err}
}

// run is the main job. What it opens it closes in reverse order when the
// child has ended.
func (a *app) run(ctx context.Context, o runOptions, args []string) error {
	command, err := a.command(args)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		if o.agent, _, err = agent.Find(args[0]); err != nil {
			return err
		}
	}
	a.strictCA = o.strictCA
	if o.policy, err = readPolicy(o.policyFile); err != nil {
		return err
	}
	b, _, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	session, err := b.Session(ctx, o.selection())
	if err != nil {
		return err
	}
	// Signals are the child's: authsome ends when the child does.
	ctx = context.WithoutCancel(ctx)
	stage, err := a.openStage(ctx, session, o)
	if err != nil {
		return err
	}
	defer stage.close()
	if o.printEnv {
		return stage.printEnv()
	}
	command.Env = stage.env
	a.terminalGiven.Store(true)
	code, err := command.Run(ctx)
	stage.idle(command.Path, args[0], code)
	if err != nil {
		return &exitError{child.ExitCode(err), err}
	}
	return &exitError{exit: code}
}

// command finds the file to run, before anything is opened for it.
func (a *app) command(args []string) (*child.Cmd, error) {
	if len(args) == 0 {
		return nil, nil // --print-env
	}
	path, err := child.LookPath(args[0], a.getenv("PATH"))
	if err != nil {
		return nil, &exitError{child.ExitCode(err), err}
	}
	return &child.Cmd{Path: path, Args: args, Stdin: a.sys.Stdin, Stdout: a.sys.Stdout, Stderr: a.sys.Stderr, Limits: a.limits}, nil
}
