package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/provider"
)

// exitCodes is the part of a command's help that explains its exit codes.
func exitCodes(codes ...int) string {
	words := map[int]string{
		0: "done", exitOther: "other failure", exitUsage: "wrong usage", exitProvider: "provider unknown",
		exitLogin: "authentication failed", exitNotConnected: "not connected, or no such connection",
		exitRefresh: "credential expired, log in again", exitVault: "vault unavailable, locked or damaged",
		exitCancelled: "cancelled",
	}
	var b strings.Builder
	b.WriteString("\nExit codes:\n")
	for _, code := range codes {
		fmt.Fprintf(&b, "  %d  %s\n", code, words[code])
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// newHelp shows a command's help. Cobra's own would take a command that does
// not exist for a success.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Long:    "Show the help of a command.\n" + exitCodes(0, 2),
		Example: "  authsome help run",
		RunE: func(c *cobra.Command, args []string) error {
			topic, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q", strings.Join(args, " "))
			}
			if err != nil {
				return usage(c, err)
			}
			topic.InitDefaultHelpFlag()
			topic.InitDefaultVersionFlag()
			return topic.Help()
		},
	}
}

// newCompletion prints completion scripts.
func newCompletion(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:                   "completion bash|zsh|fish|powershell",
		Short:                 "Print a shell's completion script",
		Long:                  "Print a shell's completion script.\n" + exitCodes(0, 2),
		Example:               "  source <(authsome completion bash)\n  authsome completion fish > ~/.config/fish/completions/authsome.fish",
		DisableFlagsInUseLine: true,
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(c *cobra.Command, args []string) error {
			switch out := c.OutOrStdout(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(out)
			}
		},
	}
}

// The functions below complete arguments. A name is offered only when no
// shell could take it for anything but a word; an error offers nothing.

func (a *app) completeProviders(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.providerNames(len(args) == 0, func(*provider.Definition) bool { return true })
}

func (a *app) completeCustom(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.providerNames(len(args) == 0, func(d *provider.Definition) bool { return d.Source == provider.Custom })
}

func (a *app) providerNames(wanted bool, ok func(*provider.Definition) bool) ([]string, cobra.ShellCompDirective) {
	if !wanted {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	h, err := a.home()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	registry, _, err := provider.Load(h.providers())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, def := range registry.All() {
		if ok(def) {
			names = append(names, def.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeConnected(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.connectionWords(c, func(provider, _ string) string { return provider })
}

func (a *app) completeConnections(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.connectionWords(c, func(provider, name string) string {
		if len(args) > 0 && args[0] != provider {
			return ""
		}
		return name
	})
}

func (a *app) completeDefault(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return a.completeConnections(c, args, toComplete)
	}
	return a.completeConnected(c, args, toComplete)
}

func (a *app) connectionWords(c *cobra.Command, word func(provider, name string) string) ([]string, cobra.ShellCompDirective) {
	b, _, err := a.broker()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer b.Close()
	connections, _ := b.Connections(c.Context())
	var words []string
	for _, conn := range connections {
		if w := word(conn.Provider, conn.Name); w != "" {
			words = append(words, w)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
