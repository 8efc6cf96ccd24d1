//go:build unix

package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"authsome/internal/secret"
	"authsome/internal/vault"
)

var update = flag.Bool("update", false, "write what was printed into the scripts, where a cmp fails")

// TestScripts runs testdata/script/*.txtar on the real binary. Besides the
// standard commands of package testscript a script has those of scriptCommands.
//
// Each script has a lab: https://api.openai.com ends at the lab's upstream.
// HOME is $WORK/home. Every secret is a canary made by the script, and may be
// on standard output only after `reveals` and in a file only after `may-hold`;
// everything that was printed and every file below $WORK is searched.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		Setup:              setupScript,
		Cmds:               scriptCommands(),
		UpdateScripts:      *update,
		RequireUniqueNames: true,
	})
}

// Programs started with the built-in exec would not be searched for canaries.
func TestScriptsDoNotExec(t *testing.T) {
	paths, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^(! )?exec `).Match(data) {
			t.Errorf("%s uses exec; `exits 0 program` searches what it prints", path)
		}
	}
}

// script is the state of one script.
type script struct {
	*world
	t         testing.TB
	keys      map[string]string // canaries by name
	mayHold   []string          // files that may hold a canary
	snapshots map[string]map[string]string
}

type scriptKey struct{}

func state(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

func setupScript(env *testscript.Env) error {
	t := env.T().(testing.TB)
	s := &script{newWorldIn(t, env.WorkDir), t, map[string]string{}, nil, map[string]map[string]string{}}
	work := env.Vars[0]
	env.Vars = append([]string{work, "LAB_CA=" + s.CA(), "KEYS=" + filepath.Join(s.Dir(), "keys"), "devnull=" + os.DevNull, "$=$"}, s.env...)
	env.Values[scriptKey{}] = s
	env.Defer(s.search)
	return os.Mkdir(filepath.Join(s.Dir(), "keys"), 0o700)
}

// search is the canary rule at the end of a script.
func (s *script) search() {
	hits, err := s.Find(s.dir)
	if err != nil {
		s.t.Errorf("search for canaries: %v", err)
	}
	for _, hit := range hits {
		if !slices.Contains(s.mayHold, hit.Where) {
			s.t.Errorf("canary %s is in %s as %s", hit.Label, hit.Where, hit.Form)
		}
	}
}

func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"authsome":  scriptAuthsome,
		"exits":     scriptExits,
		"reveals":   scriptReveals,
		"may-hold":  scriptMayHold,
		"canary":    scriptCanary,
		"envkey":    scriptEnvkey,
		"json":      scriptJSON,
		"upstream":  scriptUpstream,
		"mode":      scriptMode,
		"snapshot":  scriptSnapshot,
		"unchanged": scriptUnchanged,
		"expire":    scriptExpire,
	}
}

// [!] authsome args...: runs it; it must (must not) succeed.
func scriptAuthsome(ts *testscript.TestScript, neg bool, args []string) {
	code := state(ts).exec(ts, "", "authsome", args)
	if (code == 0) == neg {
		ts.Fatalf("exit code %d", code)
	}
}

// exits code program args...: runs any program; it must end with this code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) >= 2, "exits code program args...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if code := state(ts).exec(ts, "", args[1], args[2:]); code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// reveals canary program args...: it must succeed with the canary as it is on
// standard output, and no other.
func scriptReveals(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) >= 2, "reveals canary program args...")
	s := state(ts)
	if code := s.exec(ts, args[0], args[1], args[2:]); code != 0 {
		ts.Fatalf("exit code %d", code)
	}
	if !strings.Contains(ts.ReadFile("stdout"), s.key(ts, args[0])) {
		ts.Fatalf("standard output does not hold canary %s", args[0])
	}
}

// exec runs a program and searches what it printed for canaries.
func (s *script) exec(ts *testscript.TestScript, revealed, program string, args []string) int {
	err := ts.Exec(program, args...)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%s: %v", program, err)
	}
	for _, name := range []string{"stdout", "stderr"} {
		text := ts.ReadFile(name)
		for _, hit := range s.FindBytes(name, []byte(text)) {
			if name != "stdout" || hit.Label != revealed {
				s.t.Errorf("%s %q: canary %s is in %s as %s", program, args, hit.Label, name, hit.Form)
			}
		}
		if strings.Contains(text, "goroutine ") {
			s.t.Errorf("%s %q: it crashed: %s", program, args, text)
		}
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// may-hold file...: these files may hold canaries when the script ends.
func scriptMayHold(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) > 0, "may-hold file...")
	for _, file := range args {
		state(ts).mayHold = append(state(ts).mayHold, ts.MkAbs(file))
	}
}

// canary name [format]: makes a secret, $KEYS/name holds it for `stdin`. The
// {} of format becomes letters and digits.
func scriptCanary(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) == 1 || len(args) == 2, "canary name [format]")
	s, format := state(ts), "sk-CANARY-{}"
	if len(args) == 2 {
		format = args[1]
	}
	key := s.CanaryAs(args[0], strings.Replace(strings.ReplaceAll(format, "%", "%%"), "{}", "%s", 1))
	s.keys[args[0]] = key
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("KEYS"), args[0]), []byte(key), 0o600))
}

func (s *script) key(ts *testscript.TestScript, name string) string {
	key, ok := s.keys[name]
	if !ok {
		ts.Fatalf("no canary %s", name)
	}
	return key
}

// expand puts canaries in the place of {name}.
func (s *script) expand(text string) string {
	for name, key := range s.keys {
		text = strings.ReplaceAll(text, "{"+name+"}", key)
	}
	return text
}

// envkey variable canary: the variable holds the canary from now on.
func scriptEnvkey(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) == 2, "envkey variable canary")
	ts.Setenv(args[0], state(ts).key(ts, args[1]))
}

// json [filter want]...: standard output is one JSON document without escape
// sequences, and what jq -r says of it.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args)%2 == 0, "json [filter want]...")
	text := ts.ReadFile("stdout")
	if err := oneDocument(text); err != nil {
		ts.Fatalf("%v: %s", err, text)
	}
	for pair := range slices.Chunk(args, 2) {
		jq := exec.Command("jq", "-r", pair[0])
		jq.Stdin = strings.NewReader(text)
		out, err := jq.CombinedOutput()
		got, want := strings.TrimSuffix(string(out), "\n"), state(ts).expand(pair[1])
		if err != nil || got != want {
			ts.Fatalf("jq %s: %q, want %q (%v)", pair[0], got, want, err)
		}
	}
}

// oneDocument refuses text that is not exactly one JSON document.
func oneDocument(text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	var document any
	if err := d.Decode(&document); err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON document")
	}
	if strings.Contains(text, "\x1b") {
		return errors.New("escape sequence in JSON")
	}
	return nil
}

// upstream field value: the last request had this field; "none" for value: it
// had none; Host is the host wherever it stood. upstream count n: so many came.
func scriptUpstream(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) == 2, "upstream field value")
	s := state(ts)
	requests := s.Requests()
	if args[0] == "count" {
		if got := fmt.Sprint(len(requests)); got != args[1] {
			ts.Fatalf("%s requests came, want %s: %v", got, args[1], requests)
		}
		return
	}
	if len(requests) == 0 {
		ts.Fatalf("no request came")
	}
	last := requests[len(requests)-1]
	values := last.Values(args[0])
	if args[0] == "Host" { // HTTP/2 has it elsewhere
		values = []string{last.Host}
	}
	want := []string{s.expand(args[1])}
	if args[1] == "none" {
		want = nil
	}
	if diff := cmp.Diff(want, values); diff != "" {
		ts.Fatalf("%s: %s", args[0], diff)
	}
}

// mode octal file...: the files have these permissions.
func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) >= 2, "mode octal file...")
	for _, file := range args[1:] {
		info, err := os.Lstat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", file, got, args[0])
		}
	}
}

// snapshot dir: remembers all that is below dir.
func scriptSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) == 1, "snapshot dir")
	files, err := tree(ts.MkAbs(args[0]))
	ts.Check(err)
	state(ts).snapshots[args[0]] = files
}

// unchanged dir: nothing below dir is other than at the snapshot.
func scriptUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) == 1, "unchanged dir")
	files, err := tree(ts.MkAbs(args[0]))
	ts.Check(err)
	before := state(ts).snapshots[args[0]]
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if before[path] != files[path] {
			ts.Fatalf("%s is new or changed", path)
		}
	}
	if len(files) != len(before) {
		ts.Fatalf("%d files, were %d", len(files), len(before))
	}
}

// expire provider/connection: its credential expired in 2020.
func scriptExpire(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, len(args) == 1, "expire provider/connection")
	s := state(ts)
	v, err := vault.Open(context.Background(), vault.Options{Dir: s.home("vault"), KeyFile: s.home("vault.key"), MasterKey: secret.Text{}})
	ts.Check(err)
	key := "connection/" + args[0]
	data, err := v.Get(context.Background(), "default", key)
	ts.Check(err)
	var record map[string]any
	ts.Check(json.Unmarshal(data, &record))
	record["credential"].(map[string]any)["expiry"] = "2020-01-02T03:04:05Z"
	data, err = json.Marshal(record)
	ts.Check(err)
	ts.Check(v.Put(context.Background(), "default", key, data))
}

func arguments(ts *testscript.TestScript, neg, ok bool, usage string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", usage)
	}
}
