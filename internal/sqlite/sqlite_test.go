package sqlite

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// script runs Python with SQLite's own library. The connection is db; what is
// not committed when the script ends stays in the log.
func script(t testing.TB, path, code string) {
	t.Helper()
	python := "import sqlite3, os, sys\ndb = sqlite3.connect(sys.argv[1])\ndb.execute(\"PRAGMA synchronous=OFF\")\n" + code + "\nos._exit(0)\n"
	out, err := exec.Command("python3", "-c", python, path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

const table = `
db.execute("PRAGMA page_size=512")
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
db.commit()
`

func rows(t *testing.T, path, name string) [][]any {
	t.Helper()
	db, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Rows(name)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestRows: what SQLite has written is read: in the file, in the log, and over
// many pages; what it did not commit is not.
func TestRows(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := map[string]struct {
		code string
		want [][]any
	}{
		"log only":    {table + `db.execute("INSERT INTO kv VALUES ('a','1')"); db.commit()`, [][]any{{"a", "1"}}},
		"moved":       {table + `db.execute("INSERT INTO kv VALUES ('a','1')"); db.commit(); db.execute("PRAGMA wal_checkpoint(TRUNCATE)")`, [][]any{{"a", "1"}}},
		"both":        {table + `db.execute("INSERT INTO kv VALUES ('a','1')"); db.commit(); db.execute("PRAGMA wal_checkpoint(TRUNCATE)"); db.execute("REPLACE INTO kv VALUES ('a','2')"); db.commit()`, [][]any{{"a", "2"}}},
		"deleted":     {table + `db.execute("INSERT INTO kv VALUES ('a','1')"); db.commit(); db.execute("DELETE FROM kv"); db.commit()`, nil},
		"uncommitted": {table + `db.execute("INSERT INTO kv VALUES ('a','1')"); db.commit(); db.execute("PRAGMA cache_size=1"); db.executemany("INSERT INTO kv VALUES (?,'lost')", [(str(i)*99,) for i in range(99)])`, [][]any{{"a", "1"}}},
		"overflow":    {table + `db.execute("INSERT INTO kv VALUES ('a',?)", ("x"*5000,)); db.commit()`, [][]any{{"a", long}}},
		"closed":      {table + `db.execute("INSERT INTO kv VALUES ('a','ü')"); db.commit(); db.close()`, [][]any{{"a", "ü"}}},
		"old journal": {`db.execute("CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT)"); db.execute("INSERT INTO kv VALUES ('a','1')"); db.commit()`, [][]any{{"a", "1"}}},
		"types": {`db.execute("CREATE TABLE kv (id INTEGER PRIMARY KEY, a, b)")
for v in [(None, 0), (1, -1), (127, 300), (-70000, 1<<40), (-(1<<63), 1.5), (b"\x00\xff", "")]: db.execute("INSERT INTO kv (a, b) VALUES (?,?)", v)
db.commit()`, [][]any{
			{nil, nil, int64(0)}, {nil, int64(1), int64(-1)}, {nil, int64(127), int64(300)}, {nil, int64(-70000), int64(1) << 40},
			{nil, int64(math.MinInt64), 1.5}, {nil, []byte{0, 255}, ""},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			script(t, path, tt.code)
			if diff := cmp.Diff(tt.want, rows(t, path, "kv")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManyRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	script(t, path, table+`db.executemany("INSERT INTO kv VALUES (?,?)", [("k%d" % i, "v" * (i % 700)) for i in range(3000)]); db.commit()`)
	got := rows(t, path, "kv")
	if len(got) != 3000 {
		t.Fatal(len(got))
	}
	for i, row := range got {
		if len(row[1].(string)) != i%700 {
			t.Fatalf("row %d: %v", i, row)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "text": strings.Repeat("no database ", 50), "cut": magic + "\x10\x00"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(dir); err == nil {
		t.Error("a folder was read")
	}
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	path := filepath.Join(dir, "store.db")
	script(t, path, table)
	db, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Rows("other"); !errors.Is(err, ErrNoTable) {
		t.Error(err)
	}
	if err := os.WriteFile(path+"-journal", []byte("\xd9\xd5\x05\xf9 and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); !errors.Is(err, ErrFormat) {
		t.Errorf("half a transaction: %v", err)
	}
}

// FuzzRows: no database makes the reader panic, loop or take memory without
// bound.
func FuzzRows(f *testing.F) {
	dir := f.TempDir()
	for name, code := range map[string]string{
		"a.db": table + `db.execute("INSERT INTO kv VALUES ('a',?)", ("x"*3000,)); db.commit()`,
		"b.db": table + `db.executemany("INSERT INTO kv VALUES (?,?)", [("k%d" % i, "v" * 50) for i in range(60)]); db.commit(); db.close()`,
	} {
		path := filepath.Join(dir, name)
		script(f, path, code)
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		log, _ := os.ReadFile(path + "-wal") // the second has none
		f.Add(data, log)
	}
	f.Fuzz(func(t *testing.T, data, log []byte) {
		db, err := parse(data, log)
		if err != nil {
			return
		}
		_, _ = db.Rows("kv")
	})
}
