package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

type scanOptions struct {
	load, rewrite, force, yes bool
	connection                string
}

func newScan(a *app) *cobra.Command {
	var o scanOptions
	c := &cobra.Command{
		Use:   "scan [FILE...]",
		Short: "Find API keys of known providers in .env files and the environment",
		Long: `Find API keys of known providers, by the name of the variable and the look of the
key: in FILEs; without any, in .env and .env.* of the working folder and in the
environment. Values are never shown whole.

--import stores what is new, after asking. --rewrite then puts the placeholder in
the place of each stored key in the files, and leaves every other byte as it is.
` + exitCodes(0, 1, 2, 4, 7, 8),
		Example: `  authsome scan
  authsome scan --import
  authsome scan --import --rewrite --yes .env
  authsome scan --import .env.production --connection production`,
		RunE: func(c *cobra.Command, args []string) error {
			if o.rewrite && !o.load {
				return usage(c, errors.New("--rewrite needs --import"))
			}
			return a.scan(c.Context(), args, o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.load, "import", false, "store the keys that are new")
	f.BoolVar(&o.rewrite, "rewrite", false, "replace stored keys in the files by the placeholder")
	f.StringVar(&o.connection, "connection", broker.DefaultName, "`NAME` of the connections")
	f.BoolVar(&o.force, "force", false, "replace connections that have another key")
	f.BoolVar(&o.yes, "yes", false, "don't ask")
	return c
}

// What a finding is.
const (
	foundNew       = "new"
	foundStored    = "stored"    // the connection has this key
	foundDiffers   = "differs"   // the connection has another one
	foundConflict  = "conflict"  // another new key of the provider was found
	foundUnlike    = "unlike"    // it does not look like the provider's keys
	foundAmbiguous = "ambiguous" // the name is that of several providers
	foundLogin     = "login"     // the provider needs more than this value
	foundImported  = "imported"
)

// finding is a key that was found.
type finding struct {
	Provider string `json:"provider"`
	Variable string `json:"variable"`
	Source   string `json:"source"` // the file, or "environment"
	Line     int    `json:"line,omitempty"`
	Value    string `json:"value"` // masked
	Status   string `json:"status"`

	field string
	key   secret.Text
	place envValue
	file  *scannedFile // nil: the environment
}

// scannedFile is a file as it was read.
type scannedFile struct {
	path string
	data []byte
}

func (a *app) scan(ctx context.Context, paths []string, o scanOptions) error {
	if err := broker.CheckName(o.connection); err != nil {
		return err
	}
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	found, err := a.find(newKeyIndex(registry), paths)
	if err != nil {
		return err
	}
	if err := compareFound(ctx, b, found, o.connection); err != nil {
		return err
	}
	var rewritten []string
	if o.load {
		if err := a.importFound(ctx, b, found, o); err != nil {
			return err
		}
	}
	if o.rewrite {
		if rewritten, err = rewriteFound(found); err != nil {
			return err
		}
	}
	return a.print(map[string]any{"results": found, "rewritten": list(rewritten)}, func(w io.Writer) { a.foundTable(w, found, rewritten, o) })
}

// find looks through the files and, without any, the usual places.
func (a *app) find(index *keyIndex, paths []string) ([]*finding, error) {
	found := []*finding{}
	named := len(paths) > 0
	if !named {
		paths = envFiles()
	}
	for _, path := range paths {
		data, err := readFile(path)
		if err == nil && bytes.IndexByte(data, 0) >= 0 {
			err = fmt.Errorf("%s is not text", path)
		}
		if err != nil && named {
			return nil, err
		} else if err != nil {
			a.warn("%v", err)
			continue
		}
		file := &scannedFile{path, data}
		values, unread := parseDotenv(data)
		if unread > 0 {
			a.notice("%s: %d line(s) that readers of such files would not read alike were left out.", path, unread)
		}
		for _, v := range values {
			if f := index.match(v.name, v.value); f != nil {
				f.Source, f.Line, f.place, f.file = path, v.line, v, file
				found = append(found, f)
			}
		}
	}
	if !named {
		found = append(found, a.findVariables(index)...)
	}
	return found, nil
}

// envFiles are .env and its variants in the working folder, sorted.
func envFiles() []string {
	paths, _ := filepath.Glob(".env.*") // the pattern is well formed
	if _, err := os.Lstat(".env"); err == nil {
		paths = append([]string{".env"}, paths...)
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	})
}

func (a *app) findVariables(index *keyIndex) []*finding {
	var found []*finding
	for _, entry := range a.sys.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if sameVariable(name, masterKeyVariable) {
			continue
		}
		if f := index.match(name, value); f != nil {
			f.Source = "environment"
			found = append(found, f)
		}
	}
	return found
}

// compareFound sets what is stored already, and which new keys exclude each
// other.
func compareFound(ctx context.Context, b *broker.Broker, found []*finding, name string) error {
	first := map[string]*finding{}
	for _, f := range found {
		if f.Status != foundNew {
			continue
		}
		c, err := b.Connection(ctx, f.Provider, name)
		var missing *broker.NotConnected
		switch {
		case errors.As(err, &missing):
		case err != nil:
			return err
		case c.Credential.Field(f.field).Equal(f.key):
			f.Status = foundStored
			continue
		default:
			f.Status = foundDiffers
		}
		if other := first[f.Provider]; other == nil {
			first[f.Provider] = f
		} else if !other.key.Equal(f.key) {
			f.Status, other.Status = foundConflict, foundConflict
		}
	}
	for _, f := range found { // a third one that is like the first
		if other := first[f.Provider]; other != nil && other.Status == foundConflict && f.Status == foundNew {
			f.Status = foundConflict
		}
	}
	return nil
}

// importFound stores what is new, and with --force what differs.
func (a *app) importFound(ctx context.Context, b *broker.Broker, found []*finding, o scanOptions) error {
	var wanted []*finding
	for _, f := range found {
		if f.Status == foundNew || f.Status == foundDiffers && o.force {
			wanted = append(wanted, f)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if err := a.confirmFound(ctx, wanted, o); err != nil {
		return err
	}
	for _, f := range wanted {
		_, err := b.Login(ctx, broker.LoginRequest{
			Provider: f.Provider, Name: o.connection, Flow: provider.FlowAPIKey, Force: f.Status == foundDiffers,
			Given: map[string]secret.Text{f.field: f.key}, Private: isPrivate,
		})
		if err != nil {
			return fmt.Errorf("%s in %s: %w", f.Variable, f.Source, err)
		}
		f.Status = foundImported
	}
	return nil
}

func (a *app) confirmFound(ctx context.Context, wanted []*finding, o scanOptions) error {
	if o.yes {
		return nil
	}
	if err := a.canAsk("look at what `authsome scan` finds, then add --yes"); err != nil {
		return err
	}
	a.foundTable(a.sys.Stderr, wanted, nil, scanOptions{load: true})
	question := "Store them?"
	if o.rewrite {
		question = "Store them, and replace them in the files?"
	}
	return a.ask(ctx, question)
}

func (a *app) foundTable(w io.Writer, found []*finding, rewritten []string, o scanOptions) {
	if len(found) == 0 {
		fmt.Fprintln(w, "No keys of known providers were found.")
		return
	}
	rows := [][]string{{"PROVIDER", "VARIABLE", "WHERE", "VALUE", "STATUS"}}
	for _, f := range found {
		where := f.Source
		if f.Line > 0 {
			where = fmt.Sprintf("%s:%d", f.Source, f.Line)
		}
		rows = append(rows, []string{f.Provider, f.Variable, where, f.Value, foundWords(f.Status)})
	}
	a.table(w, rows, nil)
	for _, path := range rewritten {
		fmt.Fprintf(w, "%s has the placeholder in their place: run what reads it with `authsome run`.\n", printableLines(path))
	}
	if !o.load && slices.ContainsFunc(found, func(f *finding) bool { return f.Status == foundNew }) {
		a.notice("`authsome scan --import` stores what is new.")
	}
}

func foundWords(status string) string {
	words := map[string]string{
		foundStored: "stored already", foundDiffers: "another key is stored (--force replaces it)",
		foundConflict: "more than one key: name the FILE to take", foundUnlike: "does not look like its keys",
		foundAmbiguous: "whose? authsome login PROVIDER", foundLogin: "needs more than this: authsome login PROVIDER",
	}
	if text, ok := words[status]; ok {
		return text
	}
	return status
}
