package original

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"

	"authsome/internal/sqlite"
)

// Columns of the table Cache of DiskCache 5, which the server's store is.
const (
	cacheKey   = 1
	cacheMode  = 9
	cacheFile  = 10
	cacheValue = 11

	cacheModeRaw = 1
)

// server reads the layout with one store for all.
func (r *reader) server() {
	r.serverDefinitions()
	path := r.path("server", "kv_store", "cache.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	rows, err := readTable(path, "Cache")
	if err != nil {
		r.problem("server", err)
		return
	}
	entries := map[string]string{}
	var names []string
	for _, row := range rows {
		name, value, err := cacheEntry(row)
		if err != nil {
			r.problem("server/"+name, err)
		} else if name != "" {
			names, entries[name] = append(names, name), value
		}
	}
	owners := ownersOf(names)
	for _, name := range names {
		owner, rest := splitOwner(name)
		if profile, ok := owners[owner]; ok {
			r.record(profile, rest, entries[name])
		}
	}
}

// cacheEntry returns the key and the sealed value of a row. Keys are
// COLLECTION::KEY, values {"value": {"data": …}}. Rows of other kinds have no
// name.
func cacheEntry(row []any) (name, value string, err error) {
	if len(row) <= cacheValue {
		return "", "", nil
	}
	compound, _ := row[cacheKey].(string)
	_, name, ok := strings.Cut(compound, "::")
	if !ok || name == "__index__" || !strings.Contains(name, ":") {
		return "", "", nil
	}
	text, isText := row[cacheValue].(string)
	if mode, _ := row[cacheMode].(int64); mode != cacheModeRaw || !isText || row[cacheFile] != nil {
		return name, "", errors.New("value is kept in a way that is not known")
	}
	var entry struct {
		Value struct {
			Data string `json:"data"`
		} `json:"value"`
	}
	if err := json.Unmarshal([]byte(text), &entry); err != nil {
		return name, "", errors.New("value is not in a known form")
	}
	return name, entry.Value.Data, nil
}

// splitOwner splits vault:ID:REST, profile:ID:REST and server:provider:REST.
func splitOwner(name string) (owner, rest string) {
	if rest, ok := strings.CutPrefix(name, "server:provider:"); ok {
		return "server", rest
	}
	kind, tail, _ := strings.Cut(name, ":")
	if kind != "vault" && kind != "profile" {
		return "", ""
	}
	id, rest, _ := strings.Cut(tail, ":")
	return id, rest
}

// ownersOf gives each vault a profile: the only one is the default one, else
// they keep their names. The server's clients are for all.
func ownersOf(names []string) map[string]string {
	owners := map[string]string{}
	for _, name := range names {
		if owner, _ := splitOwner(name); owner != "" && owner != "server" {
			owners[owner] = owner
		}
	}
	if len(owners) == 1 {
		for owner := range owners {
			owners[owner] = "default"
		}
	}
	owners["server"] = ""
	return owners
}

// serverDefinitions reads the custom providers that later versions keep in
// their own database.
func (r *reader) serverDefinitions() {
	path := r.path("server", "authsome.db")
	rows, err := readTable(path, "custom_provider_definitions")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, sqlite.ErrNoTable) {
		return
	}
	if err != nil {
		r.problem("server/authsome.db", err)
	}
	for _, row := range rows {
		if len(row) < 2 {
			continue
		}
		name, _ := row[0].(string)
		text, ok := row[1].(string)
		if !ok || len(text) > maxFile {
			r.problem("provider "+name, errors.New("definition is not in a known form"))
			continue
		}
		r.home.Definitions = append(r.home.Definitions, Definition{name, []byte(text)})
	}
}
