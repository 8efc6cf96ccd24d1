// Command summary reads the JSON of `go test -json` and prints what a reader
// wants: the output of tests that failed, a line a package, and the counts. A
// test that was skipped counts as failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

func main() {
	output := map[string]*strings.Builder{}
	passed, failed, skipped := 0, 0, 0
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text()) // a build failure is not JSON
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			if output[key] == nil {
				output[key] = &strings.Builder{}
			}
			output[key].WriteString(e.Output)
			if e.Action == "build-output" {
				fmt.Print(e.Output)
			}
		case "pass", "fail", "skip":
			if e.Test == "" {
				fmt.Printf("%-4s  %s  %.1fs\n", e.Action, e.Package, e.Elapsed)
				if e.Action == "fail" {
					failed += report(output[key], e.Package)
				}
				delete(output, key)
				continue
			}
			switch e.Action {
			case "pass":
				passed++
			case "fail":
				failed += report(output[key], key)
			case "skip":
				skipped += report(output[key], "skipped, which counts as failed: "+key)
			}
			delete(output, key)
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if failed+skipped > 0 || passed == 0 {
		os.Exit(1)
	}
}

// report prints what a test wrote and counts it.
func report(text *strings.Builder, name string) int {
	fmt.Println("==", name)
	if text != nil {
		fmt.Print(text.String())
	}
	return 1
}
