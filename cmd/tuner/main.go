// Command tuner is the hyperparameter tuning service: sweeps on this machine,
// and the tools around them.
package main

import (
	"os"

	"github.com/gotuner/tuner/cmd/tuner/cli"
)

func main() { os.Exit(cli.Main(cli.System())) }
