// Package original reads the home folder of authsome's Python original.
//
// It reads both layouts there were: a database for each profile (0.2 and
// before), and the key-value store of the server (0.3 and after). It writes
// nothing, makes nothing and locks nothing there, and knows nothing of what
// becomes of the records. An attacker may have made the folder: sizes are
// bounded, links are not followed out of a folder's listing, and no error holds
// the content of a record.
package original

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"authsome/internal/secret"
	"authsome/internal/sqlite"
)

// ErrNone is returned for a folder that holds nothing of the original's.
var ErrNone = errors.New("no home folder of the Python original")

// maxFile bounds the small files, in bytes.
const maxFile = 1 << 20

// Home is what a home folder holds.
type Home struct {
	Definitions []Definition
	Connections []Connection // sorted by profile, provider and name
	Clients     []Client
	Defaults    []Default
	Problems    []Problem // what is there and can't be read
	KeySources  []string  // the keys that opened something
}

// Definition is a custom provider.
type Definition struct {
	Name string // of the file, or of the row
	Data []byte // JSON
}

// Connection is one credential.
type Connection struct {
	Profile, Provider, Name string
	Status                  string // "connected" or "expired"; others were never written
	BaseURL                 string
	Hosts                   []string // that it was made for; nil: the record does not say
	Scopes                  []string
	AccessToken             secret.Text
	RefreshToken            secret.Text
	APIKey                  secret.Text
	Cookies                 bool // it is a browser's session
	ExpiresAt, ObtainedAt   time.Time
}

// Client is an OAuth client. Profile "" stands for every profile.
type Client struct {
	Profile, Provider, ID, BaseURL string
	Secret                         secret.Text
}

// Default is the choice of a provider's default connection.
type Default struct{ Profile, Provider, Connection string }

// Problem is a record or a file that can't be read.
type Problem struct {
	What string // profile and record, or the file
	Err  error
}

// Keys are the keys that are not in the folder.
type Keys struct {
	Environment string                                // AUTHSOME_MASTER_KEY, or ""
	Keyring     func(context.Context) (string, error) // asked when no other key fits
}

// Read reads the home folder at dir.
func Read(ctx context.Context, dir string, keys Keys) (*Home, error) {
	r := &reader{ctx: ctx, dir: dir, home: &Home{}}
	if !r.exists() {
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	r.loadKeys(keys)
	r.definitions()
	r.profiles()
	r.server()
	slices.SortStableFunc(r.home.Connections, func(x, y Connection) int {
		return strings.Compare(x.Profile+"\x00"+x.Provider+"\x00"+x.Name, y.Profile+"\x00"+y.Provider+"\x00"+y.Name)
	})
	return r.home, ctx.Err()
}

type reader struct {
	ctx  context.Context
	dir  string
	keys []key
	ring func(context.Context) (string, error)
	home *Home
}

func (r *reader) path(elem ...string) string {
	return filepath.Join(append([]string{r.dir}, elem...)...)
}

// exists looks for what only the original makes.
func (r *reader) exists() bool {
	for _, path := range []string{r.path("profiles"), r.path("server"), r.path("master.key")} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

func (r *reader) problem(what string, err error) {
	r.home.Problems = append(r.home.Problems, Problem{what, err})
}

// definitions reads the files of custom providers.
func (r *reader) definitions() {
	entries, err := os.ReadDir(r.path("providers"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.problem("providers", err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok {
			continue
		}
		data, err := readSmall(r.path("providers", entry.Name()))
		if err != nil {
			r.problem("providers/"+entry.Name(), err)
			continue
		}
		r.home.Definitions = append(r.home.Definitions, Definition{name, data})
	}
}

// profiles reads the layout with a database for each.
func (r *reader) profiles() {
	entries, err := os.ReadDir(r.path("profiles"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.problem("profiles", err)
	}
	for _, entry := range entries {
		path := r.path("profiles", entry.Name(), "store.db")
		if _, err := os.Stat(path); !entry.IsDir() || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		rows, err := readTable(path, "kv")
		if err != nil {
			r.problem("profile "+entry.Name(), err)
			continue
		}
		for _, row := range rows {
			if len(row) < 2 {
				continue
			}
			key, _ := row[0].(string)
			value, _ := row[1].(string)
			r.record(entry.Name(), strings.TrimPrefix(key, "profile:"+entry.Name()+":"), value)
		}
	}
}

func readTable(path, table string) ([][]any, error) {
	db, err := sqlite.Read(path)
	if err != nil {
		return nil, err
	}
	return db.Rows(table)
}

// record opens one record and files it. name is its key without the profile:
// PROVIDER:metadata, :state, :client or :connection:NAME.
func (r *reader) record(profile, name, value string) {
	providerName, kind, ok := splitName(name)
	if !ok || kind == "state" { // which tells of refreshes that were
		return
	}
	what := profile + "/" + name
	data, err := r.decrypt(value)
	if err == nil {
		err = r.file(profile, providerName, kind, data)
	}
	if err != nil {
		r.problem(what, err)
	}
}

// splitName splits the key of a record. Names of connections may hold colons.
func splitName(name string) (providerName, kind string, ok bool) {
	if providerName, _, ok = strings.Cut(name, ":connection:"); ok {
		return providerName, "connection", providerName != ""
	}
	for _, kind := range []string{"metadata", "state", "client"} {
		if providerName, ok = strings.CutSuffix(name, ":"+kind); ok {
			return providerName, kind, providerName != ""
		}
	}
	return "", "", false
}

// file puts a record where it belongs.
func (r *reader) file(profile, providerName, kind string, data []byte) error {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return errors.New("record is not in a known form")
	}
	if d.Schema < 2 {
		return fmt.Errorf("record is of format %d, which the original does not read either", d.Schema)
	}
	if d.Provider != "" {
		providerName = d.Provider
	}
	switch kind {
	case "connection":
		c, err := d.connection(profile, providerName)
		r.home.Connections = append(r.home.Connections, c)
		return err
	case "client":
		if d.ClientID != "" {
			r.home.Clients = append(r.home.Clients, Client{profile, providerName, d.ClientID, d.BaseURL, secret.New(d.ClientSecret)})
		}
	case "metadata":
		if d.Default != "" && d.Default != "default" {
			r.home.Defaults = append(r.home.Defaults, Default{profile, providerName, d.Default})
		}
	}
	return nil
}

// readSmall reads a regular file of a reasonable size.
func readSmall(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	return os.ReadFile(path)
}
