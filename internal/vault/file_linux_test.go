package vault_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"authsome/internal/vault"
)

// V005, V006: a file system that is full, and one that is mounted read-only, in
// a mount namespace of the test's own.
func TestVault_V005_full_file_system(t *testing.T) {
	if path, ok := childOf(t); ok {
		fullFileSystem(t, path)
		return
	}
	c := child{Home: t.TempDir(), Prep: func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		}
	}}
	out, err := c.command(t).CombinedOutput()
	switch {
	case err != nil && len(out) == 0:
		// Nothing ran: namespaces are forbidden here. The limit on file sizes
		// above tests the same paths with EFBIG.
		t.Logf("no namespace: %v", err)
	case err != nil || !bytes.Contains(out, []byte("--- PASS")):
		t.Errorf("child: %v\n%s", err, out)
	}
}

func fullFileSystem(t *testing.T, path string) {
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=64k,mode=700"); err != nil {
		t.Fatal(err)
	}
	o := vault.Options{Dir: filepath.Join(path, "home", "vault"), KeyFile: filepath.Join(path, "home", "vault.key"), Source: vault.SourceFile}
	v := create(t, o)
	put(t, v, "p", "k", "data")
	noSpace(t, v, o, 70_000)
	fill(t, v)
	roomAgain(t, v, o)
	if err := os.RemoveAll(filepath.Join(path, "home")); err != nil {
		t.Fatal(err)
	}
	put(t, create(t, o), "p", "k", "data")
	if err := unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	readOnly(t, o)
}

// fill writes records until there is no space, all of which must be there.
func fill(t *testing.T, v *vault.Vault) {
	t.Helper()
	for n := 0; ; n++ {
		err := v.Put(t.Context(), "fill", fmt.Sprint(n), []byte(strings.Repeat("x", 3000)))
		if err == nil {
			continue
		}
		wantErr(t, err, vault.ErrNoSpace)
		records, err := v.List(t.Context(), "fill", "")
		if err != nil || len(records) != n || n == 0 {
			t.Errorf("%d records, want %d, error %v", len(records), n, err)
		}
		return
	}
}

// roomAgain is noSpace where nothing fits at all, and then makes room.
func roomAgain(t *testing.T, v *vault.Vault, o vault.Options) {
	t.Helper()
	ctx, before := t.Context(), files(t, o.Dir)
	wantErr(t, v.Put(ctx, "p", "k", bytes.Repeat([]byte("x"), 9000)), vault.ErrNoSpace)
	unchanged(t, before, o.Dir)
	wantErr(t, v.Delete(ctx, "fill", "0"), nil)
	wantErr(t, v.Delete(ctx, "fill", "1"), nil)
	put(t, v, "p", "k", "data2")
	full := withoutGeneration(t, o)
	wantErr(t, v.Rekey(ctx, vault.Change{}), vault.ErrNoSpace)
	if diff := cmp.Diff(full, withoutGeneration(t, o)); diff != "" {
		t.Errorf("a rekey without space changed files (-before +after):\n%s", diff)
	}
	wantData(t, v, "p", "k", "data2")
}
