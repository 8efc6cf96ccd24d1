package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"authsome/internal/secret"
)

// Backup is all that a vault holds, and further files by name.
type Backup struct {
	Made    time.Time
	Entries []Entry
	Files   map[string][]byte
}

// BackupKey is what a backup is sealed to and opened with: a passphrase, or
// age recipients to seal to and the path of an age identity file to open with.
type BackupKey struct {
	Passphrase secret.Text
	Recipients []string
	Identity   string
	UI         *plugin.ClientUI // of plugins
}

const (
	maxBackup = 256 << 20 // bytes of a backup's file
	// backupWork is the work factor of age's scrypt: 256 MiB for a moment. What
	// a file asks for beyond that is refused before any memory is taken.
	backupWork = 18
)

// A backup is an age file (age-encryption.org/v1), so that it can be read
// without authsome. In it are lines of JSON: a backupHead, and a backupLine for
// every record and file.
type backupHead struct {
	Format  int       `json:"authsome_backup"` // formatOne
	Made    time.Time `json:"made"`
	Records int       `json:"records"`
	Files   int       `json:"files"`
}

type backupLine struct {
	Profile string `json:"profile,omitempty"` // of a record
	Key     string `json:"key,omitempty"`
	File    string `json:"file,omitempty"` // or the name of a file
	Data    []byte `json:"data"`           // base64
}

// SealBackup returns the backup as a file's content.
func SealBackup(b Backup, k BackupKey) ([]byte, error) {
	recipients, err := k.recipients()
	if err != nil {
		return nil, err
	}
	var plain, sealed bytes.Buffer
	lines := json.NewEncoder(&plain)
	err = lines.Encode(backupHead{formatOne, b.Made.UTC(), len(b.Entries), len(b.Files)})
	for _, e := range b.Entries {
		err = firstError(err, lines.Encode(backupLine{Profile: e.Profile, Key: e.Key, Data: e.Data}))
	}
	for name, data := range b.Files {
		err = firstError(err, lines.Encode(backupLine{File: name, Data: data}))
	}
	if err = firstError(err, sealAge(&sealed, recipients, plain.Bytes())); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if sealed.Len() > maxBackup {
		return nil, fmt.Errorf("backup: %w: %d bytes, at most %d", ErrTooLarge, sealed.Len(), maxBackup)
	}
	return sealed.Bytes(), nil
}

func (k BackupKey) recipients() ([]age.Recipient, error) {
	if len(k.Recipients) == 0 {
		if err := checkPassphrase(k.Passphrase); err != nil {
			return nil, err
		}
		r, err := age.NewScryptRecipient(k.Passphrase.Reveal())
		if err != nil {
			return nil, ErrKeyFormat
		}
		r.SetWorkFactor(backupWork)
		return []age.Recipient{r}, nil
	}
	var recipients []age.Recipient
	for i, text := range k.Recipients {
		r := parseRecipient(text, k.UI)
		if r == nil { // not quoted: somebody may have taken an identity for one
			return nil, fmt.Errorf("%w: number %d is no age recipient; they start with age1", ErrKeyFormat, i+1)
		}
		recipients = append(recipients, r)
	}
	return recipients, nil
}

func parseRecipient(text string, ui *plugin.ClientUI) age.Recipient {
	if parsed, err := age.ParseRecipients(strings.NewReader(text)); err == nil && len(parsed) == 1 {
		return parsed[0]
	}
	if r, err := plugin.NewRecipient(text, ui); err == nil {
		return r
	}
	return nil
}

// OpenBackup is SealBackup's inverse: ErrWrongKey, ErrDamaged also for a file
// that was cut or has more at its end, ErrNewerFormat.
func OpenBackup(data []byte, k BackupKey) (Backup, error) {
	identities, err := k.identities()
	if err != nil {
		return Backup{}, err
	}
	plain, err := openAge(bytes.NewReader(data), identities)
	if errors.Is(err, ErrWrongKey) {
		return Backup{}, fmt.Errorf("backup: %w", err)
	} else if err != nil {
		return Backup{}, fmt.Errorf("backup: %w: it is not an age file, was altered, or wants more work than is sane", ErrDamaged)
	}
	text, err := io.ReadAll(plain)
	if err != nil {
		return Backup{}, fmt.Errorf("backup: %w: it was altered or cut", ErrDamaged)
	}
	return parseBackup(text)
}

func (k BackupKey) identities() ([]age.Identity, error) {
	if k.Identity != "" {
		return readIdentities(k.Identity, k.UI)
	}
	i, err := age.NewScryptIdentity(k.Passphrase.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: no passphrase was given", ErrKeyFormat)
	}
	i.SetMaxWorkFactor(backupWork)
	return []age.Identity{i}, nil
}

// parseBackup wants all that the head announces, once, and nothing else.
func parseBackup(text []byte) (Backup, error) {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	var head backupHead
	if err := json.Unmarshal(first, &head); err != nil || head.Format < 1 {
		return Backup{}, fmt.Errorf("%w: it is no backup of authsome", ErrDamaged)
	}
	if head.Format > formatOne {
		return Backup{}, fmt.Errorf("backup: %w: format %d, this one knows %d", ErrNewerFormat, head.Format, formatOne)
	}
	b := Backup{Made: head.Made, Files: map[string][]byte{}}
	seen := map[[2]string]bool{}
	lines := json.NewDecoder(bytes.NewReader(rest))
	lines.DisallowUnknownFields()
	for {
		var l backupLine
		err := lines.Decode(&l)
		if errors.Is(err, io.EOF) {
			break
		}
		isFile, at := l.File != "", [2]string{l.Profile, l.Key}
		switch {
		case err != nil, isFile && (l.Profile != "" || l.Key != ""), !isFile && checkRecordName(l.Profile, l.Key) != nil, len(l.Data) > MaxData:
			return Backup{}, fmt.Errorf("backup: %w: an entry is not readable", ErrDamaged)
		case isFile && b.Files[l.File] != nil, !isFile && seen[at]:
			return Backup{}, fmt.Errorf("backup: %w: an entry is there twice", ErrDamaged)
		case isFile:
			b.Files[l.File] = append([]byte{}, l.Data...)
		default:
			seen[at] = true
			b.Entries = append(b.Entries, Entry{l.Profile, Record{Key: l.Key, Data: l.Data}})
		}
	}
	if len(b.Entries) != head.Records || len(b.Files) != head.Files {
		return Backup{}, fmt.Errorf("backup: %w: entries are missing or too many", ErrDamaged)
	}
	return b, nil
}

// ErrExists: a file that must not be replaced unasked.
var ErrExists = errors.New("is there already")

// WriteBackup writes a backup's file, mode 0600, whole and durably or not at
// all. One that is there is ErrExists unless it may be replaced.
func WriteBackup(path string, data []byte, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: %w: it is %s", path, ErrIrregular, kind(info))
	case !force:
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	return putInPlace(path, data, func(path string, flags int) (*os.File, error) {
		return os.OpenFile(path, flags|openFlags, 0o600) // the folder may be on a disk without modes
	})
}

// ReadBackup reads a backup's file, wherever it lies and whoever owns it: what
// is in it is sealed.
func ReadBackup(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w: it is %s", path, ErrIrregular, kind(info))
	case info.Size() > maxBackup:
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d", path, ErrTooLarge, info.Size(), maxBackup)
	}
	data, err := io.ReadAll(io.LimitReader(f, info.Size()))
	return data, err
}
