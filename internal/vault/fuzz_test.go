package vault

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/secret"
)

func testKeys(tb testing.TB) (header, keys) {
	key := secret.New(string(make([]byte, keySize)))
	h, _, err := newHeader(vaultID{1, 2, 3}, SourceFile, key)
	if err != nil {
		tb.Fatal(err)
	}
	k, err := h.unwrap(key)
	if err != nil {
		tb.Fatal(err)
	}
	return h, k
}

// What parses is what is printed, byte for byte: no two spellings of a header.
func FuzzHeader(f *testing.F) {
	h, _ := testKeys(f)
	f.Add(h.encode())
	f.Add(bytes.Replace(h.encode(), []byte("source file"), []byte("source passphrase"), 1))
	f.Add([]byte("authsome-vault 2\n"))
	f.Add([]byte("\n\n\n\n\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parseHeader(data)
		if err != nil {
			return
		}
		if diff := cmp.Diff(string(data), string(h.encode())); diff != "" {
			t.Errorf("printed again (-read +printed):\n%s", diff)
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	f.Add(encodeKeyFile([]secret.Text{newKey()}))
	f.Add(encodeKeyFile([]secret.Text{newKey(), newKey()}))
	f.Add([]byte("authsome-key 1\n"))
	f.Add([]byte("authsome-key 1"))
	f.Add([]byte("authsome-key 2\nx\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeyFile(data)
		if err != nil {
			return
		}
		if !bytes.Equal(data, encodeKeyFile(keys)) || len(keys[0].Reveal()) != keySize {
			t.Error("printed again, the key file differs")
		}
	})
}

// An envelope parses as printed, and no blob opens that was not sealed.
func FuzzEnvelope(f *testing.F) {
	_, k := testKeys(f)
	name := k.recordName("p", "k")
	good := k.sealRecord(name, "p", Record{Key: "k", Data: []byte("data")})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("authsome\x01\x01"))
	f.Add([]byte("authsome\x02"))
	f.Fuzz(func(t *testing.T, blob []byte) {
		if e, err := parseEnvelope(blob); err == nil && !bytes.Equal(e.encode(), blob) {
			t.Error("printed again, the envelope differs")
		}
		if _, _, err := k.openRecord(name.String(), blob); err == nil && !bytes.Equal(blob, good) {
			t.Error("a forged record opened")
		}
	})
}

func FuzzContent(f *testing.F) {
	f.Add(encodeContent("p", Record{Key: "k", Data: []byte("data")}))
	f.Add(encodeContent("", Record{Data: make([]byte, 300)}))
	f.Add(make([]byte, padding))
	f.Add(bytes.Repeat([]byte{0xff}, padding))
	f.Fuzz(func(t *testing.T, b []byte) {
		profile, r, ok := parseContent(b)
		if ok && !bytes.Equal(b, encodeContent(profile, r)) {
			t.Error("printed again, the content differs")
		}
	})
}

// What a header asks of Argon2id is within bounds before any memory is taken.
func FuzzArgon(f *testing.F) {
	f.Add(argonParameters{time: argonTime, memory: argonMemory, threads: argonThreads}.String())
	f.Add("argon2id t=4294967295 m=4294967295 p=255 salt=AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("argon2id t=3 m=65536 p=4 salt=")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseArgon(text); err == nil && (p.String() != text || p.memory > 1<<20 || p.time > 16 || p.threads > 16) {
			t.Errorf("%q was accepted", text)
		}
	})
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(string(journal{true, vaultID{1}, SourceFile}.record().Data)))
	f.Add([]byte(" file"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if j := parseJournal(data); j.found && !bytes.EqualFold(j.record().Data, data) {
			t.Error("printed again, the journal differs")
		}
	})
}

func FuzzBackup(f *testing.F) {
	f.Add([]byte(`{"authsome_backup":1,"made":"2026-01-02T03:04:05Z","records":1,"files":1}` + "\n" +
		`{"profile":"p","key":"k","data":"eA=="}` + "\n" + `{"file":"a.json","data":""}`))
	f.Add([]byte(`{"authsome_backup":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := parseBackup(text)
		if err != nil {
			return
		}
		for _, e := range b.Entries {
			if checkRecordName(e.Profile, e.Key) != nil {
				t.Errorf("record %q of %q", e.Key, e.Profile)
			}
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	f.Add(encodeKey(newKey()))
	f.Add("====")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := decodeKey(text)
		if err != nil {
			return
		}
		if again, err := decodeKey(encodeKey(key)); err != nil || !again.Equal(key) {
			t.Errorf("read again, the key differs: %v", err)
		}
	})
}
