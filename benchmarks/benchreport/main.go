// Program benchreport writes a report with pictures from the results of tuner
// bench: go run ./benchmarks/benchreport --help.
package main

import (
	"os"

	"github.com/gotuner/tuner/benchmarks/report"
)

func main() { os.Exit(report.Main(os.Args[1:], os.Stdout, os.Stderr)) }
