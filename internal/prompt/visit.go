package prompt

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/term"
	"rsc.io/qr"

	"authsome/internal/login"
)

// Visit prints where to go, with a code and its QR picture where there is one,
// and opens the page.
func (t Terminal) Visit(ctx context.Context, v login.Visit) error {
	show(t.Out, v, func() { t.picture(v.Open) })
	t.Browser.visit(ctx, t.Out, v.Open)
	return nil
}

// show prints where to go. The picture is for who has the browser elsewhere.
func show(out io.Writer, v login.Visit, picture func()) {
	if v.Code == "" {
		fmt.Fprintf(out, "Log in to %s in your browser:\n\n  %s\n\n", Printable(v.Provider), Printable(v.URL))
	} else {
		fmt.Fprintf(out, "Log in to %s in a browser, on this machine or another:\n\n  %s\n\nand enter this code there:\n\n  %s\n\n",
			Printable(v.Provider), Printable(v.URL), Printable(v.Code))
		picture()
	}
	if left := time.Until(v.Expiry).Round(time.Minute); left > 0 {
		fmt.Fprintf(out, "The code is good for %d minutes. ", int(left.Minutes()))
	}
	fmt.Fprintln(out, "Waiting. Ctrl-C cancels.")
}

// quiet is how many light modules surround a QR code (ISO/IEC 18004).
const quiet = 4

// picture draws a URL as a QR code, unless the terminal is too narrow.
func (t Terminal) picture(url string) {
	code, err := qr.Encode(url, qr.L)
	if err != nil {
		return
	}
	width, _, err := term.GetSize(int(t.In.Fd()))
	if err != nil || width < code.Size+2*quiet {
		return
	}
	fmt.Fprintln(t.Out, drawing(code, t.Colour))
}

// drawing renders two rows of modules as one line of half blocks: light ones
// are drawn, dark ones left out, which is right on a dark ground; with colour
// the ground is made dark.
func drawing(code *qr.Code, colour bool) string {
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		if colour {
			b.WriteString("\x1b[40;97m")
		}
		for x := -quiet; x < code.Size+quiet; x++ {
			b.WriteRune(halves(code.Black(x, y), code.Black(x, y+1) || y+1 >= code.Size+quiet))
		}
		if colour {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func halves(upperDark, lowerDark bool) rune {
	switch {
	case upperDark && lowerDark:
		return ' '
	case upperDark:
		return '▄'
	case lowerDark:
		return '▀'
	}
	return '█'
}
