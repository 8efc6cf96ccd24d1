package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/child"
	"authsome/internal/inject"
	"authsome/internal/prompt"
	"authsome/internal/secret"
)

// Bounds of what a source's command prints.
const (
	maxSourceOutput = prompt.MaxInput
	maxSourceErrors = 2 << 10
)

// Bounds of how long a fetched value may be used.
const (
	defaultMaxAge = 5 * time.Minute
	longestMaxAge = 24 * time.Hour
)

type sourceOptions struct {
	command, variable string
	maxAge            time.Duration
}

// flags adds the flags of a source.
func (o *sourceOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.command, "from-command", "", "store no key: at use, take it from what this `COMMAND` prints")
	f.StringVar(&o.variable, "from-env", "", "store no key: at use, take it from the variable `NAME` of authsome's environment")
	f.DurationVar(&o.maxAge, "max-age", defaultMaxAge, "with --from-command or --from-env, how long a value is used before it is fetched anew")
}

// source is what the flags name, nil for none.
func (o *sourceOptions) source(c *cobra.Command) (*broker.Source, error) {
	given := c.Flags().Changed("from-command") || c.Flags().Changed("from-env")
	switch {
	case !given && c.Flags().Changed("max-age"):
		return nil, usage(c, errors.New("--max-age is for --from-command and --from-env"))
	case !given:
		return nil, nil
	case o.command != "" && o.variable != "":
		return nil, usage(c, errors.New("--from-command and --from-env exclude each other"))
	case o.maxAge < time.Second || o.maxAge > longestMaxAge:
		return nil, usage(c, fmt.Errorf("--max-age has to be between 1s and %v", longestMaxAge))
	case o.command == "":
		return o.fromVariable(c)
	}
	words, err := sourceCommand(o.command)
	if err != nil {
		return nil, &hinted{usage(c, fmt.Errorf("--from-command: %w", err)), `for pipes and variables: --from-command "sh -c '…'"`}
	}
	return &broker.Source{Command: words, MaxAge: o.maxAge}, nil
}

func (o *sourceOptions) fromVariable(c *cobra.Command) (*broker.Source, error) {
	if o.variable == "" || strings.ContainsAny(o.variable, "= \t\r\n\x00") {
		return nil, usage(c, errors.New("--from-env wants the name of a variable, --from-command a command"))
	}
	if sameVariable(o.variable, masterKeyVariable) {
		return nil, usage(c, fmt.Errorf("%s is the vault's own key", masterKeyVariable))
	}
	return &broker.Source{Variable: o.variable, MaxAge: o.maxAge}, nil
}

// sourceCommand splits a command. A program that is named from the working
// folder is named absolutely: the command does not run there.
func sourceCommand(line string) ([]string, error) {
	words, err := splitWords(line)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("it is empty")
	}
	if filepath.Base(words[0]) != words[0] {
		if words[0], err = filepath.Abs(words[0]); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// fetch asks a source. It is broker.Config.Fetch.
func (a *app) fetch(ctx context.Context, s broker.Source) (map[string]secret.Text, error) {
	text, err := a.sourceText(ctx, s)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\r\n", "\n"), "\n")
	if len(lines) != len(s.Fields) {
		return nil, fmt.Errorf("%s gave %d lines where %d are expected (%s)", sourceName(s), len(lines), len(s.Fields), strings.Join(s.Fields, ", "))
	}
	values := make(map[string]secret.Text, len(lines))
	for i, field := range s.Fields {
		values[field] = secret.New(lines[i])
	}
	return values, nil
}

func (a *app) sourceText(ctx context.Context, s broker.Source) (string, error) {
	if len(s.Command) > 0 {
		return a.runSource(ctx, s)
	}
	text := a.getenv(s.Variable)
	switch {
	case text == "":
		return "", fmt.Errorf("%s is not set", sourceName(s))
	case inject.HasPlaceholder(text):
		return "", fmt.Errorf("%s holds a placeholder here, inside of a run", sourceName(s))
	}
	return text, nil
}

// runSource runs a source's command: no shell, no input, in the user's home
// folder, in a process group of its own that ends with ctx. What it says on
// standard error is shown when it fails, what it prints never is.
func (a *app) runSource(ctx context.Context, s broker.Source) (string, error) {
	path, err := child.LookPath(s.Command[0], a.getenv("PATH"))
	if err != nil {
		return "", err
	}
	out, said := &bounded{max: maxSourceOutput}, &bounded{max: maxSourceErrors}
	cmd := exec.CommandContext(ctx, path, s.Command[1:]...)
	cmd.Args[0] = s.Command[0]
	cmd.Env, cmd.Dir, cmd.WaitDelay = a.withoutSecrets(), a.sourceDir(), time.Second
	cmd.Stdout, cmd.Stderr = out, said
	endGroup(cmd)
	err = cmd.Run()
	text, over := out.text()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay): // it left something behind that has its output open
		err = nil
	case err == nil && over:
		err = fmt.Errorf("more than %d bytes of output", maxSourceOutput)
	}
	if err != nil {
		words, _ := said.text()
		a.complain(sourceName(s), words, text)
		return "", fmt.Errorf("%s: %w", sourceName(s), err)
	}
	return text, nil
}

// complain shows what a command that failed has said, without anything that it
// may have printed as well.
func (a *app) complain(name, said, printed string) {
	for line := range strings.Lines(printed) {
		if line = strings.TrimSpace(line); line != "" {
			said = strings.ReplaceAll(said, line, "***")
		}
	}
	if said = strings.TrimSpace(said); said == "" {
		return
	}
	if a.sourceWarn != nil {
		a.sourceWarn("%s said: %s", name, said)
		return
	}
	a.warn("%s said: %s", name, said)
}

// sourceDir is where commands of sources run: not in the working folder, whose
// files may be somebody else's.
func (a *app) sourceDir() string {
	dir := a.getenv(homeVariable)
	if info, err := os.Stat(dir); err == nil && info.IsDir() && filepath.IsAbs(dir) {
		return dir
	}
	return filepath.VolumeName(os.TempDir()) + string(filepath.Separator)
}

// bounded keeps the beginning of what is written to it. What a command leaves
// behind may still write when it has ended.
type bounded struct {
	max int

	mu   sync.Mutex // guards what follows
	kept []byte
	over bool
}

// Write takes everything, so that the writer does not end of it.
func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	keep := min(len(p), b.max-len(b.kept))
	b.over = b.over || keep < len(p)
	b.kept = append(b.kept, p[:keep]...)
	return len(p), nil
}

// text returns what was kept, and whether there was more.
func (b *bounded) text() (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.kept), b.over
}

// sourceName is a source in a word or two: its arguments may tell more than
// everybody should know.
func sourceName(s broker.Source) string {
	if len(s.Command) > 0 {
		return filepath.Base(s.Command[0])
	}
	return "$" + s.Variable
}

// sourceKind, sourcePlace and sourceFields are a source for list and get.
func sourceKind(s *broker.Source) string {
	switch {
	case s == nil:
		return ""
	case len(s.Command) > 0:
		return "command"
	}
	return "environment"
}

func sourcePlace(s *broker.Source) string {
	return cmp.Or(joinWords(s.Command), s.Variable)
}

func sourceFields(c broker.Connection) []string {
	if c.Source == nil {
		return nil
	}
	return slices.Clone(c.Source.Fields)
}
