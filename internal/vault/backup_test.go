package vault_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"authsome/internal/secret"
	"authsome/internal/vault"
)

func sampleBackup() vault.Backup {
	return vault.Backup{
		Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Entries: []vault.Entry{
			{Profile: "default", Record: vault.Record{Key: "connection/a/b", Data: []byte(canary)}},
			{Profile: "work", Record: vault.Record{Key: "connection/a/b", Data: []byte(strings.Repeat("x", 100_000))}},
		},
		Files: map[string][]byte{"acme.json": []byte("{}")},
	}
}

func recipient(t testing.TB, identity string) string {
	t.Helper()
	data := string(must(os.ReadFile(identity)))
	line := strings.TrimSpace(data[strings.Index(data, "AGE-SECRET-KEY"):])
	return must(age.ParseX25519Identity(line)).Recipient().String()
}

func TestBackup_V025(t *testing.T) {
	identity := identityFile(t)
	sealed, err := vault.SealBackup(sampleBackup(), vault.BackupKey{Recipients: []string{recipient(t, identity), recipient(t, identityFile(t))}})
	wantErr(t, err, nil)
	if bytes.Contains(sealed, []byte(canary)) || bytes.Contains(sealed, []byte("connection")) {
		t.Error("the backup is readable")
	}
	mine := vault.BackupKey{Identity: identity}
	got, err := vault.OpenBackup(sealed, mine)
	if diff := cmp.Diff(sampleBackup(), got); diff != "" || err != nil {
		t.Errorf("backup (-want +got):\n%s (%v)", diff, err)
	}
	_, err = vault.OpenBackup(sealed, vault.BackupKey{Identity: identityFile(t)})
	wantErr(t, err, vault.ErrWrongKey)
	_, err = vault.OpenBackup(sealed, vault.BackupKey{Passphrase: secret.New(passphrase)})
	wantErr(t, err, vault.ErrWrongKey)
	for n := 0; n < len(sealed); n += 1 + len(sealed)/97 { // cut anywhere
		_, err = vault.OpenBackup(sealed[:n], mine)
		wantErr(t, err, vault.ErrDamaged)
	}
	_, err = vault.OpenBackup(append(bytes.Clone(sealed), 0), mine)
	wantErr(t, err, vault.ErrDamaged)
	for n := 0; n < len(sealed); n += 1 + len(sealed)/97 { // altered anywhere
		altered := bytes.Clone(sealed)
		altered[n] ^= 1
		if got, err := vault.OpenBackup(altered, mine); err == nil {
			// Another recipient's stanza is the header's too: nothing goes unnoticed.
			t.Errorf("altered at %d it opens: %d entries", n, len(got.Entries))
		}
	}
}

func TestBackup_V025_passphrase(t *testing.T) {
	key := vault.BackupKey{Passphrase: secret.New(passphrase)}
	sealed, err := vault.SealBackup(sampleBackup(), key)
	wantErr(t, err, nil)
	got, err := vault.OpenBackup(sealed, key)
	if diff := cmp.Diff(sampleBackup(), got); diff != "" || err != nil {
		t.Errorf("backup (-want +got):\n%s (%v)", diff, err)
	}
	_, err = vault.OpenBackup(sealed, vault.BackupKey{Passphrase: secret.New(canary + "wrong")})
	wantErr(t, err, vault.ErrWrongKey)
	greedy := bytes.Replace(sealed, []byte(" 18\n"), []byte(" 22\n"), 1) // 4 GiB
	_, err = vault.OpenBackup(greedy, key)
	wantErr(t, err, vault.ErrDamaged)
	for _, bad := range []vault.BackupKey{{}, {Passphrase: secret.New("short")}, {Recipients: []string{canary}}, {Recipients: []string{""}}} {
		_, err = vault.SealBackup(sampleBackup(), bad)
		wantErr(t, err, vault.ErrKeyFormat)
	}
}

// What is not a backup, or one of another version, is refused inside too.
func TestBackupContent(t *testing.T) {
	identity := identityFile(t)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"newer":         {`{"authsome_backup":2,"new":{}}` + "\nanything", vault.ErrNewerFormat},
		"format 0":      {`{"authsome_backup":0}`, vault.ErrDamaged},
		"no backup":     {"hello", vault.ErrDamaged},
		"empty":         {"", vault.ErrDamaged},
		"missing":       {`{"authsome_backup":1,"records":1}` + "\n", vault.ErrDamaged},
		"too many":      {`{"authsome_backup":1,"records":0}` + "\n" + `{"profile":"p","key":"k","data":""}`, vault.ErrDamaged},
		"twice":         {`{"authsome_backup":1,"records":2}` + "\n" + strings.Repeat(`{"profile":"p","key":"k","data":""}`, 2), vault.ErrDamaged},
		"no profile":    {`{"authsome_backup":1,"records":1}` + "\n" + `{"key":"rekey","data":""}`, vault.ErrDamaged},
		"both":          {`{"authsome_backup":1,"files":1}` + "\n" + `{"file":"a","key":"k","data":""}`, vault.ErrDamaged},
		"unknown field": {`{"authsome_backup":1,"records":1}` + "\n" + `{"profile":"p","key":"k","data":"","x":1}`, vault.ErrDamaged},
		"not base64":    {`{"authsome_backup":1,"records":1}` + "\n" + `{"profile":"p","key":"k","data":"%"}`, vault.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			var sealed bytes.Buffer
			w := must(age.Encrypt(&sealed, must(age.ParseX25519Recipient(recipient(t, identity)))))
			_, _ = w.Write([]byte(c.text))
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			_, err := vault.OpenBackup(sealed.Bytes(), vault.BackupKey{Identity: identity})
			wantErr(t, err, c.want)
		})
	}
}

func TestBackupFile_V025(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "backup.age")
	wantErr(t, vault.WriteBackup(path, []byte("one"), false), nil)
	wantErr(t, vault.WriteBackup(path, []byte("two"), false), vault.ErrExists)
	if got := must(vault.ReadBackup(path)); string(got) != "one" {
		t.Errorf("%q after a refusal", got)
	}
	wantErr(t, vault.WriteBackup(path, []byte("two"), true), nil)
	if got := must(vault.ReadBackup(path)); string(got) != "two" {
		t.Errorf("%q", got)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, odd := range []string{dir, link, os.DevNull} {
		wantErr(t, vault.WriteBackup(odd, []byte("x"), true), vault.ErrIrregular)
	}
	for _, odd := range []string{dir, os.DevNull} {
		_, err := vault.ReadBackup(odd)
		wantErr(t, err, vault.ErrIrregular)
	}
	if names := must(os.ReadDir(dir)); len(names) != 2 {
		t.Errorf("%d files are left", len(names))
	}
}
