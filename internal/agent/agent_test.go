package agent_test

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/agent"
	"authsome/internal/provider"
)

var update = flag.Bool("update", false, "print the profiles into docs/agents.md")

func all(t *testing.T) []agent.Profile {
	t.Helper()
	profiles, err := agent.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(profiles) < 10 {
		t.Fatalf("%d profiles", len(profiles))
	}
	return profiles
}

// TestProfiles walks them all.
func TestProfiles(t *testing.T) {
	registry, _, err := provider.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all(t) {
		t.Run(p.Command, func(t *testing.T) {
			if p.Name == "" || len(p.Docs) == 0 {
				t.Error("no name, or no page it was compared with")
			}
			for name, variables := range p.Keys {
				checkKeys(t, registry, name, variables)
			}
			for _, folder := range []string{p.Home, p.Skills.User, p.Skills.Project} {
				if folder != "" && (!filepath.IsLocal(folder) || !strings.HasPrefix(folder, ".")) {
					t.Errorf("%q is no hidden folder below another", folder)
				}
			}
			if p.HomeVariable != "" && p.Home == "" {
				t.Error("a variable for no folder")
			}
			for _, rule := range p.Anonymous {
				if rule.Kind != provider.Exact || rule.Path == "" || !slices.Contains(p.Fetches, rule.Host) {
					t.Errorf("%v: no one path at a host that it fetches from", rule)
				}
			}
			if found, ok, err := agent.Find("/usr/local/bin/" + p.Command); err != nil || !ok || found.Name != p.Name {
				t.Errorf("Find: %v %v", ok, err)
			}
		})
	}
}

// checkKeys wants the variables of a provider that is bundled, and of each
// variable that no other provider exports it.
func checkKeys(t *testing.T, registry *provider.Registry, name string, variables []string) {
	t.Helper()
	if _, err := registry.Get(name); err != nil {
		t.Error(err)
	}
	if len(variables) == 0 {
		t.Errorf("no variables of %s", name)
	}
	for _, def := range registry.All() {
		for _, exported := range def.Env {
			for _, variable := range variables {
				if def.Name != name && slices.Contains(exported, variable) {
					t.Errorf("%s is %s's", variable, def.Name)
				}
			}
		}
	}
}

func TestFind(t *testing.T) {
	for _, command := range []string{"", "/", ".", "..", "sh", "claude.jsonc", "../profiles/claude/", "a/b", "*", "claude\x00"} {
		if p, ok, err := agent.Find(command); err != nil || ok != (command == "../profiles/claude/") {
			t.Errorf("%q: %v %v %v", command, p.Name, ok, err)
		}
	}
	p, ok, err := agent.Find("claude.exe")
	if err != nil || !ok || p.Name != "Claude Code" {
		t.Errorf("claude.exe: %v %v", ok, err)
	}
}

func TestSkillFile(t *testing.T) {
	text := []byte("---\nname: x\n---\ntext\n")
	f := agent.SkillFile{Root: filepath.Join(t.TempDir(), "a", "skills"), Path: "x/SKILL.md"}
	path := filepath.Join(f.Root, "x", "SKILL.md")
	want := func(want agent.State, wantErr error, got agent.State, err error) {
		t.Helper()
		if got != want || !errors.Is(err, wantErr) {
			t.Errorf("%q %v, want %q %v", got, err, want, wantErr)
		}
	}
	step := func(write func() (agent.State, error), state agent.State, wantErr error) {
		t.Helper()
		got, err := write()
		want(state, wantErr, got, err)
	}
	step(func() (agent.State, error) { return f.Remove(text, true) }, agent.Absent, nil)
	step(func() (agent.State, error) { return f.Write(text, false) }, agent.Absent, nil)
	step(func() (agent.State, error) { return f.Write(text, false) }, agent.Current, nil)
	data, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(data), string(text)) {
		t.Fatalf("%v: %q", err, data)
	}
	newer := append(slices.Clone(text), "more\n"...)
	step(func() (agent.State, error) { return f.State(newer) }, agent.Older, nil)
	step(func() (agent.State, error) { return f.Write(newer, false) }, agent.Older, nil)
	for _, foreign := range []string{"", "mine", string(data) + "\n", strings.Replace(string(data), "text", "Text", 1)} {
		if err := os.WriteFile(path, []byte(foreign), 0o600); err != nil {
			t.Fatal(err)
		}
		step(func() (agent.State, error) { return f.Write(newer, false) }, agent.Foreign, agent.ErrForeign)
		step(func() (agent.State, error) { return f.Remove(newer, false) }, agent.Foreign, agent.ErrForeign)
		if got, err := os.ReadFile(path); err != nil || string(got) != foreign {
			t.Errorf("%v: %q became %q", err, foreign, got)
		}
	}
	step(func() (agent.State, error) { return f.Write(newer, true) }, agent.Foreign, nil)
	if err := os.WriteFile(filepath.Join(f.Root, "x", "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	step(func() (agent.State, error) { return f.Remove(newer, false) }, agent.Current, nil)
	entries, err := os.ReadDir(filepath.Join(f.Root, "x"))
	if err != nil || len(entries) != 1 {
		t.Errorf("the user's file did not stay alone: %v %v", entries, err)
	}
}

// What is no file, or leads out of the folder, is left alone.
func TestSkillFileIrregular(t *testing.T) {
	text, outside := []byte("text\n"), t.TempDir()
	for name, make := range map[string]func(root string) error{
		"link to a file":         func(root string) error { return os.Symlink(outside+"/f", root+"/x/SKILL.md") },
		"link inside":            func(root string) error { return os.Symlink("other", root+"/x/SKILL.md") },
		"folder":                 func(root string) error { return os.Mkdir(root+"/x/SKILL.md", 0o700) },
		"link to another folder": func(root string) error { return errors.Join(os.Remove(root+"/x"), os.Symlink(outside, root+"/x")) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := errors.Join(os.Mkdir(root+"/x", 0o700), make(root)); err != nil {
				t.Fatal(err)
			}
			f := agent.SkillFile{Root: root, Path: "x/SKILL.md"}
			if _, err := f.Write(text, true); err == nil {
				t.Error("it was written")
			}
			if _, err := f.Remove(text, true); err == nil {
				t.Error("it was removed")
			}
			if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
				t.Errorf("outside: %v %v", entries, err)
			}
		})
	}
}

const begin, end = "<!-- printed by go test ./internal/agent -update -->\n", "<!-- end -->\n"

// TestDocs keeps the table of docs/agents.md as the profiles are.
func TestDocs(t *testing.T) {
	const path = "../../docs/agents.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	printed, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("no place for the profiles")
	}
	want := print(all(t))
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, printed); diff != "" {
		t.Errorf("profiles (-profiles +docs); go test ./internal/agent -update:\n%s", diff)
	}
}

func print(profiles []agent.Profile) string {
	var b strings.Builder
	b.WriteString("| command | agent | tested | reads keys from | fetches beside its models | skills |\n|---|---|---|---|---|---|\n")
	for _, p := range profiles {
		var keys []string
		for _, name := range slices.Sorted(maps.Keys(p.Keys)) {
			keys = append(keys, name+": "+code(p.Keys[name]))
		}
		var folders []string
		if p.Skills.User != "" {
			folders = append(folders, "~/"+p.Skills.User)
		}
		if p.Skills.Project != "" {
			folders = append(folders, p.Skills.Project)
		}
		cells := []string{"`" + p.Command + "`", p.Name, p.Tested, strings.Join(keys, "; "), code(p.Fetches), code(folders)}
		for i, cell := range cells {
			if cell == "" {
				cells[i] = "–"
			}
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	for _, p := range profiles {
		b.WriteString("\n**" + p.Name + "** (`" + p.Command + "`).")
		for _, note := range p.Notes {
			b.WriteString(" " + note)
		}
		if len(p.Anonymous) > 0 {
			var rules []string
			for _, rule := range p.Anonymous {
				rules = append(rules, rule.String())
			}
			b.WriteString(" What it asks of itself, and without a key, stays without one: " + code(rules) + ".")
		}
		b.WriteString(" Compared with " + strings.Join(p.Docs, ", ") + ".\n")
	}
	return b.String()
}

func code(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "`, `") + "`"
}
