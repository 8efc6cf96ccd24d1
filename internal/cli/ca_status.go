package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/prompt"
	"authsome/internal/truststore"
)

func newCAStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show where the certificate authority is installed",
		Long: `Show the installed certificate authority, how each trust store of this machine
stands, and the hosts it is not good for.
` + exitCodes(0, 1, 2, 7),
		Example: "  authsome ca status\n  authsome ca status --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.caStatus(c.Context()) },
	}
}

// caDocument is what `ca status` tells.
type caDocument struct {
	Status      string         `json:"status"` // installed, incomplete (in no store, or left in one), not_installed
	Certificate *caCertificate `json:"certificate,omitempty"`
	Stores      []storeState   `json:"stores"`
	Outside     []string       `json:"outside"` // hosts it is not good for
	Renew       string         `json:"renew,omitempty"`
}

type caCertificate struct {
	Name     string    `json:"name"`
	SHA256   string    `json:"sha256"`
	File     string    `json:"file"`
	NotAfter time.Time `json:"not_after"`
	Expired  bool      `json:"expired"`
}

func (a *app) caStatus(ctx context.Context) error {
	kept, err := a.authority(ctx)
	if err != nil {
		return err
	}
	kept.adopt()
	document, err := kept.status(ctx)
	if err != nil {
		return err
	}
	return a.print(document, func(w io.Writer) { a.printStatus(w, document) })
}

func (k *authority) status(ctx context.Context) (caDocument, error) {
	d := caDocument{Status: "not_installed", Stores: []storeState{}, Outside: []string{}}
	certs, err := k.certs()
	if err != nil {
		return d, err
	}
	if k.Root != nil {
		if err := k.describeRoot(ctx, &d, certs[0]); err != nil {
			return d, err
		}
	}
	system, in, left := k.app.stores(), 0, 0
	for i, cert := range certs {
		current := k.Root != nil && i == 0
		targets, err := truststore.Find(system, cert, nil)
		if err != nil {
			return d, err
		}
		for _, t := range targets {
			switch c := (change{t, cert, current}); {
			case current:
				has := t.Has(ctx, system, cert)
				in += map[bool]int{true: 1}[has]
				d.Stores = append(d.Stores, c.state(has))
			case t.Traces(ctx, system, cert):
				left++
				d.Stores = append(d.Stores, c.state(true))
			}
		}
	}
	switch {
	case in > 0 && left == 0:
		d.Status = storeHas
	case k.Root != nil || left > 0:
		d.Status = "incomplete"
	}
	return d, nil
}

// describeRoot adds what is to be said of the root itself.
func (k *authority) describeRoot(ctx context.Context, d *caDocument, cert truststore.Cert) error {
	hosts, err := k.app.allHosts(ctx)
	if err != nil {
		return err
	}
	d.Certificate = &caCertificate{cert.Name, cert.SHA256(), cert.File, k.Root.NotAfter().UTC(), k.valid() == nil}
	if _, outside := k.Root.Split(hosts); len(outside) > 0 {
		d.Outside = outside
	}
	if len(d.Outside) > 0 || time.Until(k.Root.NotAfter()) < 30*24*time.Hour {
		d.Renew = "authsome ca install --renew"
	}
	return nil
}

func (a *app) printStatus(w io.Writer, d caDocument) {
	switch {
	case d.Certificate == nil:
		fmt.Fprintln(w, "No certificate authority is installed; each run makes its own.")
	case d.Certificate.Expired:
		fmt.Fprintf(w, "%s expired on %s.\n", d.Certificate.Name, d.Certificate.NotAfter.Format(time.DateOnly))
	default:
		fmt.Fprintf(w, "%s, valid until %s\n", d.Certificate.Name, d.Certificate.NotAfter.Format(time.DateOnly))
	}
	a.printStates(w, d.Stores)
	if len(d.Outside) > 0 {
		fmt.Fprintf(w, "It is not good for %s.\n", prompt.Printable(strings.Join(d.Outside, ", ")))
	}
	if d.Renew != "" {
		fmt.Fprintf(w, "Renew it: %s\n", d.Renew)
	}
}
