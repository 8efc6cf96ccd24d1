package cli

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"

	"authsome/internal/child"
)

// setVariable is one line of `run --print-env`.
type setVariable struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Unset bool   `json:"unset,omitempty"`
	Why   string `json:"why"`
}

// printEnv shows what the command's environment would get, and why.
func (s *stage) printEnv() error {
	values := environ(s.env)
	var shown []setVariable
	for _, v := range child.Variables() {
		if len(v.OS) > 0 && !slices.Contains(v.OS, runtime.GOOS) {
			continue
		}
		for _, name := range v.Names {
			value, set := values[name]
			shown = append(shown, setVariable{name, value, !set, v.Why})
		}
	}
	shown = append(shown, setVariable{caVariable, values[caVariable], false, "authsome ca path"})
	placeholders := s.session.Placeholders(s.options.agent.Keys)
	for _, name := range slices.Sorted(maps.Keys(placeholders)) {
		shown = append(shown, setVariable{name, placeholders[name], false, "a connected provider's key, which stays here"})
	}
	return s.app.print(shown, func(w io.Writer) { s.app.printVariables(w, shown) })
}

func (a *app) printVariables(w io.Writer, shown []setVariable) {
	rows := [][]string{}
	for _, v := range shown {
		assignment := v.Name + "=" + v.Value
		if v.Unset {
			assignment = "unset " + v.Name
		}
		rows = append(rows, []string{assignment, "# " + v.Why})
	}
	a.table(w, rows, nil)
	fmt.Fprintf(w, "# The rest of the environment (%d variables) is inherited as it is.\n", len(environ(a.sys.Environ)))
}

// environ is an environment as a map.
func environ(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, entry := range env {
		for i := 1; i < len(entry); i++ {
			if entry[i] == '=' {
				m[entry[:i]] = entry[i+1:]
				break
			}
		}
	}
	return m
}
