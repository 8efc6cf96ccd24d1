// Command toxiproxy is one of Shopify's proxies without the API around it.
//
//	toxiproxy HOST:PORT [TOXIC]
//
// listens on a free port of 127.0.0.1, prints its address, and passes each
// connection on to HOST:PORT with the faults of TOXIC, a toxic as the API
// takes it, until its standard input ends.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "toxiproxy:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: toxiproxy HOST:PORT [TOXIC]")
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "faulty", "127.0.0.1:0", args[0])
	if err := proxy.Start(); err != nil {
		return err
	}
	defer proxy.Stop()
	for _, toxic := range args[1:] {
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("%s: %w", toxic, err)
		}
	}
	fmt.Println(proxy.Listen)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
