// Package peers runs other tuners as contenders of the harness.
//
// Each has a small driver in Python that answers the pipe protocol
// (api/types/pipe.go) on its standard input and output; the objective stays in
// this process. The drivers and the list of versions are part of the binary, the
// tuners are installed by benchmarks/peers/install.sh. README.md lists them and
// says how to add one.
//
//	for _, c := range peers.Contenders(peers.Config{}) {
//		s, err := c.Open(ctx, study)
//		…
//	}
//
// A child process serves one study after the other, as importing a tuner may
// take seconds. A child that breaks off, answers nonsense, or is still busy when
// the context ends is killed with its process group, and never used again.
package peers
