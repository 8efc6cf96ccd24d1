// Command awsgo is two programs for the tests of signed requests: the vendor's
// SDK as a client (awsgo client), and a server in the vendor's place (awsgo
// stand) that checks every signature with the SDK's own signer.
package main

import (
	"fmt"
	"os"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "client":
		err = client()
	case len(os.Args) == 2 && os.Args[1] == "stand":
		err = stand()
	default:
		err = fmt.Errorf("usage: awsgo client|stand")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
