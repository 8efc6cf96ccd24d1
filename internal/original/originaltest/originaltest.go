// Package originaltest writes home folders as authsome's Python original does:
// the databases by SQLite's own library, the records by the same algorithm,
// AES-256-GCM under the master key.
package originaltest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Key is a master key.
type Key struct{ raw []byte }

// NewKey makes a key.
func NewKey() Key {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return Key{raw}
}

// Text is the key as keyring and environment have it.
func (k Key) Text() string { return base64.StdEncoding.EncodeToString(k.raw) }

// seal returns base64(nonce) + "." + base64(ciphertext and tag).
func (k Key) seal(t testing.TB, record any) string {
	t.Helper()
	plain, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(k.raw)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.StdEncoding.EncodeToString(nonce) + "." + base64.StdEncoding.EncodeToString(aead.Seal(nil, nonce, plain, nil))
}

// WriteKeyFile writes a master.key of release 0.2.
func WriteKeyFile(t testing.TB, path string, key Key) {
	t.Helper()
	data, err := json.MarshalIndent(map[string]any{"version": 1, "key": key.Text(), "algorithm": "AES-256-GCM", "note": "Local master key for authsome. Protect this file."}, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// WriteProfile writes profiles/NAME/store.db with these records by key. What
// was written last is in the write-ahead log only, as after a kill.
func WriteProfile(t testing.TB, dir, name string, key Key, records map[string]any) {
	t.Helper()
	folder := filepath.Join(dir, "profiles", name)
	store(t, filepath.Join(folder, "store.db"), `
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
db.commit()
for key, value in rows.items():
    db.execute("INSERT OR REPLACE INTO kv (key, value) VALUES (?, ?)", (key, value))
    db.commit()
`, sealed(t, key, records))
}

// WriteServer writes server/kv_store as the server of later releases does, by
// DiskCache: records by key, each in the collection of its owner.
func WriteServer(t testing.TB, dir string, key Key, records map[string]any) {
	t.Helper()
	rows := map[string]string{"config::version": `{"value": {"data": "1"}}`}
	for name, value := range sealed(t, key, records) {
		parts := strings.SplitN(name, ":", 3)
		collection := parts[0] + ":" + parts[1]
		if parts[0] == "server" {
			collection = "server"
		}
		entry, err := json.Marshal(map[string]any{"created_at": "2026-01-02T03:04:05+00:00", "value": map[string]string{"data": value}})
		if err != nil {
			t.Fatal(err)
		}
		rows[collection+"::"+name] = string(entry)
		rows[collection+"::__index__"] = `{"value": {"data": "[]"}}`
	}
	store(t, filepath.Join(dir, "server", "kv_store", "cache.db"), `
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE Settings (key TEXT NOT NULL UNIQUE, value)")
db.execute("CREATE TABLE Cache (rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, store_time REAL, expire_time REAL, access_time REAL, access_count INTEGER DEFAULT 0, tag BLOB, size INTEGER DEFAULT 0, mode INTEGER DEFAULT 0, filename TEXT, value BLOB)")
for key, value in rows.items():
    db.execute("INSERT INTO Cache (key, raw, store_time, access_time, mode, value) VALUES (?, 1, 1.5, 1.5, 1, ?)", (key, value))
db.commit()
`, rows)
}

// WriteDefinition writes a custom provider into the server's database.
func WriteDefinition(t testing.TB, dir, name, definition string) {
	t.Helper()
	store(t, filepath.Join(dir, "server", "authsome.db"), `
db.execute("CREATE TABLE custom_provider_definitions (name TEXT PRIMARY KEY, definition_json TEXT NOT NULL)")
for key, value in rows.items():
    db.execute("INSERT INTO custom_provider_definitions VALUES (?, ?)", (key, value))
db.commit()
db.close()
`, map[string]string{name: definition})
}

func sealed(t testing.TB, key Key, records map[string]any) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for name, record := range records {
		rows[name] = key.seal(t, record)
	}
	return rows
}

// store runs code with db, the database at path, and rows. It ends without
// closing db, which leaves the log.
func store(t testing.TB, path, code string, rows map[string]string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	script := "import json, os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\ndb.execute('PRAGMA synchronous=OFF')\nrows = json.load(sys.stdin)\n" + code + "os._exit(0)\n"
	cmd := exec.Command("python3", "-c", script, path)
	cmd.Stdin = strings.NewReader(string(data))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
