package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/agent"
	"authsome/internal/child"
	"authsome/skills"
)

type skillOptions struct {
	agents  []string
	project bool
	force   bool
}

func newSkill(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "skill",
		Short: "Teach coding agents to use authsome",
		Long: `A skill is a text that coding agents read when they need it: how to list, log in
and run with authsome, what its errors mean, and never to ask for secrets in the
chat. These commands put it where the agents on this machine look for skills.
` + exitCodes(0, 1, 2),
		Example: "  authsome skill list\n  authsome skill install",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSkillInstall(a), newSkillUninstall(a), newSkillList(a), &cobra.Command{
		Use: "show", Short: "Print the skill", Long: "Print the skill.\n" + exitCodes(0, 2),
		Example: "  authsome skill show", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.skillShow() },
	})
	return c
}

func newSkillInstall(a *app) *cobra.Command {
	var o skillOptions
	c := &cobra.Command{
		Use:   "install",
		Short: "Write the skill for the agents on this machine",
		Long: `Write the skill for the agents on this machine, or for those that --agent names,
and say where. A file that is there already is brought up to date; one that
somebody changed stays as it is, unless --force is given.
` + exitCodes(0, 1, 2),
		Example: `  authsome skill install
  authsome skill install --agent claude --agent codex
  authsome skill install --project --agent claude`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.skillInstall(c, o) },
	}
	a.skillFlags(c, &o)
	return c
}

func newSkillUninstall(a *app) *cobra.Command {
	var o skillOptions
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove the skill from the agents' folders",
		Long: `Remove the skill from every agent's folder, or from those that --agent names. A
file that somebody changed stays as it is, unless --force is given.
` + exitCodes(0, 1, 2),
		Example: "  authsome skill uninstall\n  authsome skill uninstall --project",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.skillUninstall(c, o) },
	}
	a.skillFlags(c, &o)
	return c
}

func (a *app) skillFlags(c *cobra.Command, o *skillOptions) {
	c.Flags().StringSliceVar(&o.agents, "agent", nil, "only for this agent: the `NAME` of its command (repeatable)")
	c.Flags().BoolVar(&o.project, "project", false, "in the working folder instead of the home folder")
	c.Flags().BoolVar(&o.force, "force", false, "also a file that somebody changed")
	_ = c.RegisterFlagCompletionFunc("agent", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return agentsWithSkills(), cobra.ShellCompDirectiveNoFileComp
	})
}

func newSkillList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show the agents and which of them have the skill",
		Long:    "Show the agents, which of them are on this machine and which have the skill.\n" + exitCodes(0, 1, 2),
		Example: "  authsome skill list --json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.skillList() },
	}
}

// skillPlace is a file for the skill, and who reads it.
type skillPlace struct {
	Path   string          `json:"path"`
	Agents []string        `json:"agents"`
	Status string          `json:"status"`
	file   agent.SkillFile // of Path
}

func (a *app) skillShow() error {
	return a.print(map[string]string{"name": skills.Name, "text": string(skills.Authsome())}, func(w io.Writer) { _, _ = w.Write(skills.Authsome()) })
}

func (a *app) skillInstall(c *cobra.Command, o skillOptions) error {
	places, err := a.skillPlaces(c, o, a.hasAgent)
	if err != nil {
		return err
	}
	if len(places) == 0 {
		return &hinted{errors.New("no agent that has a folder for skills was found on this machine"), "authsome skill install --agent claude"}
	}
	verbs := map[agent.State]string{agent.Absent: "written", agent.Older: "updated", agent.Current: "current", agent.Foreign: "replaced"}
	return a.eachPlace(places, verbs, func(f agent.SkillFile) (agent.State, error) { return f.Write(skills.Authsome(), o.force) })
}

func (a *app) skillUninstall(c *cobra.Command, o skillOptions) error {
	places, err := a.skillPlaces(c, o, func(agent.Profile) bool { return true })
	if err != nil {
		return err
	}
	verbs := map[agent.State]string{agent.Absent: "absent", agent.Older: "removed", agent.Current: "removed", agent.Foreign: "removed"}
	return a.eachPlace(places, verbs, func(f agent.SkillFile) (agent.State, error) { return f.Remove(skills.Authsome(), o.force) })
}

// eachPlace does something to every place and prints what came of it. A place
// that somebody changed does not keep the others from it.
func (a *app) eachPlace(places []skillPlace, verbs map[agent.State]string, do func(agent.SkillFile) (agent.State, error)) error {
	var kept []string
	for i := range places {
		before, err := do(places[i].file)
		switch {
		case errors.Is(err, agent.ErrForeign):
			places[i].Status = "kept"
			kept = append(kept, places[i].Path)
		case err != nil:
			return fmt.Errorf("skill in %s: %w", places[i].file.Root, err)
		default:
			places[i].Status = verbs[before]
		}
	}
	if err := a.print(map[string]any{"skills": places}, func(w io.Writer) { printPlaces(a, w, places) }); err != nil || len(kept) == 0 {
		return err
	}
	err := &hinted{fmt.Errorf("%s: %w", strings.Join(kept, ", "), agent.ErrForeign), "look at it; --force goes on all the same"}
	if a.json {
		a.warn("%v", err)
		return &exitError{exit: exitOther}
	}
	return err
}

func printPlaces(a *app, w io.Writer, places []skillPlace) {
	var rows [][]string
	for _, p := range places {
		if p.Status != "absent" {
			rows = append(rows, []string{p.Status, p.Path, "(" + strings.Join(p.Agents, ", ") + ")"})
		}
	}
	if len(rows) == 0 {
		rows = [][]string{{"The skill is nowhere."}}
	}
	a.table(w, rows, nil)
}

// skillPlaces returns the files that the options mean, each once: those of the
// named agents, or of all that wanted accepts.
func (a *app) skillPlaces(c *cobra.Command, o skillOptions, wanted func(agent.Profile) bool) ([]skillPlace, error) {
	if err := checkAgents(c, o.agents); err != nil {
		return nil, err
	}
	all, err := agent.All()
	if err != nil {
		return nil, err
	}
	var places []skillPlace
	for _, p := range all {
		named := slices.Contains(o.agents, p.Command)
		if len(o.agents) == 0 && !wanted(p) || len(o.agents) > 0 && !named {
			continue
		}
		file, ok, err := a.skillFile(p, o.project)
		if err != nil {
			return nil, err
		}
		if !ok {
			if named {
				return nil, usage(c, fmt.Errorf("%s has no folder for skills there", p.Name))
			}
			continue
		}
		places = addPlace(places, file, p.Name)
	}
	return places, nil
}

func addPlace(places []skillPlace, file agent.SkillFile, name string) []skillPlace {
	for i := range places {
		if places[i].file == file {
			places[i].Agents = append(places[i].Agents, name)
			return places
		}
	}
	path := filepath.Join(file.Root, filepath.FromSlash(file.Path))
	return append(places, skillPlace{Path: path, Agents: []string{name}, file: file})
}

func checkAgents(c *cobra.Command, given []string) error {
	known := agentsWithSkills()
	for _, name := range given {
		if !slices.Contains(known, name) {
			return usage(c, fmt.Errorf("--agent %q is none of %s", name, strings.Join(known, ", ")))
		}
	}
	return nil
}

func agentsWithSkills() []string {
	all, _ := agent.All() // a test reads every profile
	var commands []string
	for _, p := range all {
		if p.Skills != (agent.Skills{}) {
			commands = append(commands, p.Command)
		}
	}
	return commands
}

// skillFile is where an agent looks for the skill, for the user or in the
// working folder; ok is false where it does not look.
func (a *app) skillFile(p agent.Profile, project bool) (file agent.SkillFile, ok bool, err error) {
	const name = skills.Name + "/SKILL.md"
	if project {
		dir, err := os.Getwd()
		return agent.SkillFile{Root: dir, Path: p.Skills.Project + "/" + name}, p.Skills.Project != "", err
	}
	if p.Skills.User == "" {
		return agent.SkillFile{}, false, nil
	}
	root, err := a.below(p, p.Skills.User)
	return agent.SkillFile{Root: root, Path: name}, true, err
}

// below is the path of a folder that is the agent's own or below the user's
// home.
func (a *app) below(p agent.Profile, folder string) (string, error) {
	home := a.getenv(homeVariable)
	if !filepath.IsAbs(home) {
		return "", fmt.Errorf("%w: %s is not set to an absolute path", errHome, homeVariable)
	}
	own := a.getenv(p.HomeVariable)
	if rest, ok := strings.CutPrefix(folder+"/", p.Home+"/"); ok && p.HomeVariable != "" && filepath.IsAbs(own) {
		return filepath.Join(own, filepath.FromSlash(rest)), nil
	}
	return filepath.Join(home, filepath.FromSlash(folder)), nil
}

// hasAgent reports whether an agent is on this machine: its command, or its
// own folder.
func (a *app) hasAgent(p agent.Profile) bool {
	if _, err := child.LookPath(p.Command, a.getenv("PATH")); err == nil {
		return true
	}
	if p.Home == "" {
		return false
	}
	path, err := a.below(p, p.Home)
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// listedAgent is one agent of `skill list --json`.
type listedAgent struct {
	Command string      `json:"command"`
	Name    string      `json:"name"`
	Found   bool        `json:"found"`
	User    agent.State `json:"user,omitempty"`
	Project agent.State `json:"project,omitempty"`
}

func (a *app) skillList() error {
	all, err := agent.All()
	if err != nil {
		return err
	}
	var listed []listedAgent
	for _, p := range all {
		l := listedAgent{Command: p.Command, Name: p.Name, Found: a.hasAgent(p)}
		if l.User, err = a.skillState(p, false); err != nil {
			return err
		}
		if l.Project, err = a.skillState(p, true); err != nil {
			return err
		}
		listed = append(listed, l)
	}
	return a.print(map[string]any{"agents": listed}, func(w io.Writer) { printAgents(a, w, listed) })
}

func (a *app) skillState(p agent.Profile, project bool) (agent.State, error) {
	file, ok, err := a.skillFile(p, project)
	if err != nil || !ok {
		return "", err
	}
	state, err := file.State(skills.Authsome())
	if err != nil {
		return "", fmt.Errorf("skill in %s: %w", file.Root, err)
	}
	return state, nil
}

func printAgents(a *app, w io.Writer, listed []listedAgent) {
	rows := [][]string{{"COMMAND", "AGENT", "HERE", "SKILL", "IN THIS FOLDER"}}
	for _, l := range listed {
		here := "no"
		if l.Found {
			here = "yes"
		}
		rows = append(rows, []string{l.Command, l.Name, here, dash(string(l.User)), dash(string(l.Project))})
	}
	a.table(w, rows, nil)
}
