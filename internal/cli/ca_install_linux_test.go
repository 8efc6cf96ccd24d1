package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInstalledAuthority installs into Debian's own store, in a mount
// namespace that has a small one of its own, and runs programs that are told nothing but
// the proxy: curl, and git, whose libcurl uses GnuTLS. Without the
// installation and after it both refuse the run's certificates, and the store
// is what it was, to the byte. Where the store can't be written, the command
// that is printed does what authsome would have done.
func TestInstalledAuthority(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("key"))
	for _, dir := range []string{"certs", "local", "hooks"} {
		if err := os.Mkdir(filepath.Join(w.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(w.dir, "inside.sh"), insideNamespace)
	r := w.invoke(t, invocation{program: "unshare", args: []string{"--map-root-user", "--mount", "sh", "-eu", "inside.sh"}})
	if r.code != 0 {
		t.Fatal(r)
	}
	want := strings.TrimSpace(`
before: curl 60, git refused
installed: system installed
run: curl 200, git came
ephemeral: curl 60, git refused
out of reach: exit 1, Not all of it is done.
key gone: curl 60, git refused
by hand: Uninstalled.
after: curl 60, git refused
store: the same
out of reach: exit 1, Not all of it is done.
by hand: system installed
uninstalled: Uninstalled.
store: the same`)
	if diff := cmp.Diff(want, strings.TrimSpace(r.stdout)); diff != "" {
		t.Errorf("%s\n%s", diff, r.stderr)
	}
	var paths []string
	for _, request := range w.Requests() {
		paths = append(paths, request.Method+" "+request.Host+request.Target)
	}
	if diff := cmp.Diff([]string{"GET api.openai.com/v1/models", "GET api.openai.com/x.git/info/refs?service=git-upload-pack"}, paths); diff != "" {
		t.Errorf("requests: %s", diff)
	}
}

const insideNamespace = `
grep -v '^[#!]' /etc/ca-certificates.conf | head -n 3 >conf
mount --bind conf /etc/ca-certificates.conf
mount --bind certs /etc/ssl/certs
mount --bind local /usr/local/share/ca-certificates
# Programs that others put there fill Java's keystores.
if [ -d /etc/ca-certificates/update.d ]; then mount --bind hooks /etc/ca-certificates/update.d; fi
update-ca-certificates >&2

export JAVA_HOME=/nonexistent # a JVM takes a second for each look
content() {
	for dir in /etc/ssl/certs /usr/local/share/ca-certificates; do
		(cd $dir && find . -type l -printf '%p %l\n' -o -type f -exec sha256sum {} + | sort)
	done
}
try() { # label, flags of run: a program that only knows the proxy
	label=$1; shift
	code=$(authsome run "$@" -- sh -c 'exec env -i PATH="$PATH" https_proxy="$https_proxy" \
		curl -sS -o /dev/null -w "%{http_code}" https://api.openai.com/v1/models') || code=$?
	code=${code#000}
	authsome run "$@" -- sh -c 'exec env -i PATH="$PATH" HOME=/nonexistent LC_ALL=C GIT_TERMINAL_PROMPT=0 https_proxy="$https_proxy" \
		git ls-remote https://api.openai.com/x.git' >git.log 2>&1 || true
	git=came
	if grep -q 'server certificate verification failed' git.log; then git=refused; fi
	cat git.log >&2
	echo "$label: curl $code, git $git"
}

content >content.before
try before
authsome ca install --store system --yes >install.log
echo "installed: $(awk '/^system/ {print $1, $NF}' install.log)"
try run
try ephemeral --ca ephemeral

# Out of the user's reach, as for one who is not root.
reach() { mount -o "remount,bind,$1" /usr/local/share/ca-certificates; }
sudo() { "$@"; }
refused() { # subcommand: it exits with 1, and what it prints is run by hand
	reach ro
	code=0
	authsome ca "$1" --store system --yes >refused.log || code=$?
	[ "$1" = install ] || authsome ca uninstall --yes >/dev/null || true # the key too
	reach rw
	echo "out of reach: exit $code, $(tail -n 1 refused.log)"
}
by_hand() { eval "$(grep '^  sudo ' refused.log)" >&2; }
same() {
	content >content.after
	if diff content.before content.after >&2; then echo "store: the same"; fi
}

refused uninstall
try 'key gone'
by_hand
echo "by hand: $(authsome ca uninstall --yes)"
try after
same

refused install
by_hand
echo "by hand: $(authsome ca status | awk '/^system/ {print $1, $NF}')"
echo "uninstalled: $(authsome ca uninstall --yes | tail -n 1)"
same
`
