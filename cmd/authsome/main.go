// Command authsome is a local-first credential broker: programs call APIs
// with credentials they never see.
package main

import (
	"context"
	"os"

	"authsome/internal/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), cli.Process()))
}
