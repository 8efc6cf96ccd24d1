package cli_test

import (
	"os"
	"testing"
)

// A passphrase is asked for on the terminal without echo, wherever standard
// input and output lead, and is nowhere but in its reader's head.
func TestPassphraseOnTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("KEY"))
	pass := w.Canary("PASS")
	x := onTerminal(t, w, nil, "rekey", "--source", "passphrase")
	x.shows("New passphrase for the vault (not shown): ", 1)
	x.wait("hidden input", func() bool { return !x.echoes() })
	x.types(pass + "\r")
	x.shows("The same again for the vault (not shown): ", 1)
	x.wait("hidden input", func() bool { return !x.echoes() })
	x.types(pass + "x\r")
	x.shows("the two are not the same", 1)
	x.exits(1)

	x = onTerminal(t, w, nil, "rekey", "--source", "passphrase")
	for _, question := range []string{"New passphrase", "The same again"} {
		x.shows(question+" for the vault (not shown): ", 1)
		x.wait("hidden input", func() bool { return !x.echoes() })
		x.types(pass + "\r")
	}
	x.exits(0)

	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		typed string
		args  []string
		code  int
	}{
		{pass, []string{"list"}, 0},
		{"not the passphrase", []string{"list"}, 7},
		{"\x04", []string{"list"}, 8},
		{pass, []string{"run", "--", "sh", "-c", "exit 42"}, 42},
	} {
		x := onTerminal(t, w, null, c.args...)
		x.shows("Passphrase for the vault (not shown): ", 1)
		x.wait("hidden input", func() bool { return !x.echoes() })
		x.types(c.typed + "\r")
		x.exits(c.code)
	}
}
