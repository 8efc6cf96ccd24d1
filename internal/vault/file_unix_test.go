//go:build linux || darwin

package vault_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"authsome/internal/vault"
)

const ordinary = 65534

// asUser runs test as an ordinary user, since root may do what no one else may.
func asUser(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if _, ok := childOf(t); ok || os.Geteuid() != 0 {
		test(t)
		return
	}
	program := ourselves(t)
	runChild(t, child{Prep: func(cmd *exec.Cmd) {
		cmd.Path, cmd.Dir = program, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinary, Gid: ordinary}}
	}})
}

// V001: whatever the umask, nobody else can open anything at any moment.
func TestVault_V001_modes(t *testing.T) {
	asUser(t, func(t *testing.T) {
		for _, umask := range []int{0, 0o022, 0o077, 0o177, 0o277, 0o777} {
			t.Run(fmt.Sprintf("umask %04o", umask), func(t *testing.T) { modes(t, umask) })
		}
	})
}

func modes(t *testing.T, umask int) {
	o := options(t)
	home := filepath.Dir(o.Dir)
	stop, watched := make(chan struct{}), make(chan int)
	go func() { watched <- watch(t, home, stop) }()
	old := syscall.Umask(umask)
	v, err := vault.OpenOrCreate(t.Context(), o)
	for i := 0; err == nil && i < 30; i++ {
		err = v.Put(t.Context(), "p", fmt.Sprint("k", i%3), make([]byte, 100_000))
	}
	syscall.Umask(old)
	close(stop)
	if seen := <-watched; seen == 0 {
		t.Error("nothing was seen")
	}
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	wantErr(t, err, nil)
}

// watch looks at all modes again and again while files come and go.
func watch(t *testing.T, home string, stop chan struct{}) (seen int) {
	for {
		select {
		case <-stop:
			return seen
		default:
		}
		_ = filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if info, err := d.Info(); err == nil {
				seen++
				if info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s was seen with mode %v", path, info.Mode())
				}
			}
			return nil
		})
	}
}

// places are a file of each kind the vault has.
func places(t *testing.T) (vault.Options, map[string]string) {
	o := options(t)
	v := create(t, o)
	put(t, v, "p", "k", "data")
	return o, map[string]string{
		"header": filepath.Join(o.Dir, "header"),
		"key":    o.KeyFile,
		"record": filepath.Join(o.Dir, v.FileName("p", "k")),
		"lock":   filepath.Join(o.Dir, ".locks", v.FileName("p", "k")),
	}
}

func TestVault_V002_files(t *testing.T) {
	hostile := map[string]struct {
		make func(path string) error
		want error
	}{
		"mode 0644":   {func(p string) error { return os.Chmod(p, 0o644) }, vault.ErrPermissions},
		"mode 0620":   {func(p string) error { return os.Chmod(p, 0o620) }, vault.ErrPermissions},
		"mode 0604":   {func(p string) error { return os.Chmod(p, 0o604) }, vault.ErrPermissions},
		"hard-linked": {func(p string) error { return os.Link(p, filepath.Join(filepath.Dir(filepath.Dir(p)), "link")) }, vault.ErrIrregular},
		"symlink":     {func(p string) error { return moved(p, func(to string) error { return os.Symlink(to, p) }) }, vault.ErrIrregular},
		"dangling":    {func(p string) error { return moved(p, func(string) error { return os.Symlink("nowhere", p) }) }, vault.ErrIrregular},
		"pipe":        {func(p string) error { return moved(p, func(string) error { return unix.Mkfifo(p, 0o600) }) }, vault.ErrIrregular},
		"folder":      {func(p string) error { return moved(p, func(string) error { return os.Mkdir(p, 0o700) }) }, vault.ErrIrregular},
		"device":      {func(p string) error { return moved(p, func(string) error { return os.Symlink("/dev/zero", p) }) }, vault.ErrIrregular},
		"socket": {func(p string) error {
			return moved(p, func(string) error {
				fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				return bindAt(fd, p)
			})
		}, vault.ErrIrregular},
	}
	for name, h := range hostile {
		for _, place := range []string{"header", "key", "record", "lock"} {
			t.Run(name+" "+place, func(t *testing.T) {
				o, paths := places(t)
				if err := h.make(paths[place]); err != nil {
					t.Fatal(err)
				}
				refusesFile(t, o, place, paths[place], h.want)
			})
		}
	}
}

// bindAt binds where the path may be longer than a socket's address.
func bindAt(fd int, path string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(filepath.Dir(path)); err != nil {
		return err
	}
	defer os.Chdir(dir)
	return unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Base(path)})
}

// moved moves a file away and puts another thing in its place.
func moved(path string, make func(to string) error) error {
	to := filepath.Join(filepath.Dir(filepath.Dir(path)), "elsewhere")
	if err := os.Rename(path, to); err != nil {
		return err
	}
	return make(to)
}

func refusesFile(t *testing.T, o vault.Options, place, path string, want error) {
	t.Helper()
	home := filepath.Dir(o.Dir)
	before := files(t, home)
	if place == "header" || place == "key" {
		cannotOpen(t, o, want, path)
		return
	}
	v := create(t, o)
	calls := map[string]func() error{
		"Put":    func() error { return v.Put(t.Context(), "p", "k", []byte("new")) },
		"Delete": func() error { return v.Delete(t.Context(), "p", "k") },
		"Update": func() error {
			return v.Update(t.Context(), "p", "k", func([]byte) ([]byte, error) { return []byte("new"), nil })
		},
	}
	if place == "record" {
		calls["Get"] = func() error { _, err := v.Get(t.Context(), "p", "k"); return err }
		calls["List"] = func() error { _, err := v.List(t.Context(), "p", ""); return err }
	}
	for name, call := range calls {
		err := call()
		wantErr(t, err, want)
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error does not name %s: %v", name, path, err)
		}
	}
	unchanged(t, before, home)
}

func TestVault_V002_folders(t *testing.T) {
	chmod := func(mode fs.FileMode) func(string) error {
		return func(p string) error { return os.Chmod(p, mode) }
	}
	link := func(p string) error {
		if err := os.Rename(p, p+".real"); err != nil {
			return err
		}
		return os.Symlink(p+".real", p)
	}
	file := func(p string) error {
		if err := os.Rename(p, p+".real"); err != nil {
			return err
		}
		return os.WriteFile(p, nil, 0o600)
	}
	for _, c := range []struct {
		name  string
		place func(o vault.Options) string
		make  func(string) error
		want  error
	}{
		{"home 0777", home, chmod(0o777), vault.ErrPermissions},
		{"home 0750", home, chmod(0o750), vault.ErrPermissions},
		{"home symlinked", home, link, vault.ErrIrregular},
		{"home a file", home, file, vault.ErrIrregular},
		{"vault 0755", dir, chmod(0o755), vault.ErrPermissions},
		{"vault 0701", dir, chmod(0o701), vault.ErrPermissions},
		{"vault symlinked", dir, link, vault.ErrIrregular},
		{"vault a file", dir, file, vault.ErrIrregular},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, _ := places(t)
			if err := c.make(c.place(o)); err != nil {
				t.Fatal(err)
			}
			for _, open := range openers() {
				_, err := open(t.Context(), o)
				wantErr(t, err, c.want)
				if err != nil && !strings.Contains(err.Error(), c.place(o)) {
					t.Errorf("error does not name the folder: %v", err)
				}
			}
		})
	}
}

func dir(o vault.Options) string { return o.Dir }

// V002: what belongs to another user is refused.
func TestVault_V002_owner(t *testing.T) {
	asUser(t, func(t *testing.T) {
		o := vault.Options{Dir: "/usr/share", KeyFile: "/usr/vault.key", Source: vault.SourceFile}
		for _, open := range openers() {
			_, err := open(t.Context(), o)
			wantErr(t, err, vault.ErrPermissions)
		}
	})
}

// V002: root does not take another user's files for its own, nor leave its own
// among them.
func TestVault_V002_owner_for_root(t *testing.T) {
	if os.Geteuid() != 0 {
		return // can't give a file away; V002_owner is this user's half
	}
	for _, place := range []string{"header", "key", "record", "lock"} {
		t.Run(place, func(t *testing.T) {
			o, paths := places(t)
			if err := os.Chown(paths[place], ordinary, -1); err != nil {
				t.Fatal(err)
			}
			refusesFile(t, o, place, paths[place], vault.ErrPermissions)
		})
	}
	for name, place := range map[string]func(vault.Options) string{"home": home, "vault": dir} {
		t.Run(name, func(t *testing.T) {
			o, _ := places(t)
			if err := os.Chown(place(o), ordinary, -1); err != nil {
				t.Fatal(err)
			}
			_, err := vault.Open(t.Context(), o)
			wantErr(t, err, vault.ErrPermissions)
		})
	}
}

// V006: where nothing may be written, reading works and writing says so.
func TestVault_V006_read_only(t *testing.T) {
	asUser(t, func(t *testing.T) {
		o, _ := places(t)
		paths := []string{filepath.Join(o.Dir, ".locks"), o.Dir, home(o)}
		for _, path := range paths {
			if err := os.Chmod(path, 0o500); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(path, 0o700)
		}
		readOnly(t, o)
		fresh := o
		fresh.Dir, fresh.KeyFile = filepath.Join(home(o), "other", "vault"), filepath.Join(home(o), "other", "key")
		_, err := vault.OpenOrCreate(t.Context(), fresh)
		wantErr(t, err, vault.ErrReadOnly)
	})
}

func readOnly(t *testing.T, o vault.Options) {
	t.Helper()
	ctx, before := t.Context(), files(t, home(o))
	v, err := vault.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	wantData(t, v, "p", "k", "data")
	records, err := v.List(ctx, "p", "")
	if err != nil || len(records) != 1 {
		t.Errorf("%d records, %v", len(records), err)
	}
	_, err = v.Version(ctx)
	wantErr(t, err, nil)
	wantErr(t, v.Put(ctx, "p", "k", []byte("new")), vault.ErrReadOnly)
	wantErr(t, v.Put(ctx, "p", "new", []byte("new")), vault.ErrReadOnly)
	wantErr(t, v.Delete(ctx, "p", "k"), vault.ErrReadOnly)
	wantErr(t, v.Update(ctx, "p", "k", func([]byte) ([]byte, error) { return nil, nil }), vault.ErrReadOnly)
	unchanged(t, before, home(o))
}

// V005: no write that can't be finished harms the old state. The limit on file
// sizes works as root, as anyone, and in every container.
func TestVault_V005_file_size_limit(t *testing.T) {
	if path, ok := childOf(t); ok {
		fileSizeLimit(t, path)
		return
	}
	o, _ := places(t)
	runChild(t, child{Home: home(o)})
}

func fileSizeLimit(t *testing.T, path string) {
	o := vault.Options{Dir: filepath.Join(path, "vault"), KeyFile: filepath.Join(path, "vault.key"), Source: vault.SourceFile}
	fresh := options(t)
	v := create(t, o)
	limitFileSize(t, 700)
	defer limitFileSize(t, unix.RLIM_INFINITY)
	noSpace(t, v, o, 2000)
	limitFileSize(t, 20) // not even a key file fits
	_, err := vault.OpenOrCreate(t.Context(), fresh)
	wantErr(t, err, vault.ErrNoSpace)
	if left := files(t, home(fresh)); len(left) > 1 { // the lock
		t.Errorf("left behind: %v", left)
	}
}

func limitFileSize(t *testing.T, n uint64) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = n
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
}

// noSpace checks every writing call when records of size bytes do not fit.
func noSpace(t *testing.T, v *vault.Vault, o vault.Options, size int) {
	t.Helper()
	ctx, big := t.Context(), bytes.Repeat([]byte(canary), size/len(canary)+1)
	before := files(t, o.Dir)
	wantErr(t, v.Put(ctx, "p", "k", big), vault.ErrNoSpace)
	wantErr(t, v.Update(ctx, "p", "k", func([]byte) ([]byte, error) { return big, nil }), vault.ErrNoSpace)
	unchanged(t, before, o.Dir)
	wantData(t, v, "p", "k", "data")
	put(t, v, "p", "k", "data") // what fits is still written
}

// What a killed writer left is removed once it can't be in use.
func TestStaleTemporaryFiles(t *testing.T) {
	o, _ := places(t)
	v := create(t, o)
	fresh, stale := filepath.Join(o.Dir, ".tmp-FRESH"), filepath.Join(o.Dir, ".tmp-STALE")
	for _, path := range []string{fresh, stale} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(stale, old, old); err != nil {
		t.Fatal(err)
	}
	records, err := v.List(t.Context(), "p", "")
	if err != nil || len(records) != 1 {
		t.Errorf("%d records, %v", len(records), err)
	}
	got := files(t, o.Dir)
	if _, ok := got[stale]; ok {
		t.Error("the stale file is still there")
	}
	if _, ok := got[fresh]; !ok {
		t.Error("a file that may be in use was removed")
	}
}

// V020: any path the system takes, or a clean error.
func TestVault_V020_paths(t *testing.T) {
	for _, name := range []string{"with space", "ünï ☃", "new\nline", "-dash", "%s$HOME;'\"", strings.Repeat("n", 255)} {
		o := options(t)
		o.Dir = filepath.Join(home(o), name, "vault")
		o.KeyFile = filepath.Join(filepath.Dir(o.Dir), "vault.key")
		v := create(t, o)
		put(t, v, "p", "k", "data")
		wantData(t, v, "p", "k", "data")
	}
	o := options(t)
	o.Dir = filepath.Join(home(o), strings.Repeat("long/", 1000), "vault")
	_, err := vault.OpenOrCreate(t.Context(), o)
	wantErr(t, err, unix.ENAMETOOLONG)
}
