//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// TestAShellLoopOutlivesItsServer: the server is killed before each kind of call
// of a loop and comes back later; the loop neither ends nor stores what is not so.
func TestAShellLoopOutlivesItsServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	address := strings.TrimPrefix(server.url, "http://")
	in := func(args ...string) *sweep { return l.run(l.command(append(args, server.flags()...)...)) }
	in("create", "s", "--min", "v", "-p", "x=0.0..1.0", "--algorithm", "random", "-n", "3").exits(0)
	for n, number := range []string{"0", "1", "2"} {
		for _, args := range [][]string{
			{"ask", "s"},
			{"report", "s", number, "v=5", "--step", "1"}, {"report", "s", number, "v=4"},
			{"tell", "s", number, "v=3"}, {"tell", "s", number, "v=3"},
		} {
			if n == 0 {
				server.signal(syscall.SIGKILL)
				<-server.ended
			}
			call := in(args...)
			if n == 0 {
				call.shows("waiting for the server, 5m0s at most: no answer from " + server.url)
				server = l.serve(address)
			}
			if out := call.exits(0); strings.Count(out, "waiting for the server") > 1 {
				t.Errorf("it says more than once that it waits:\n%s", out)
			}
		}
	}
	in("ask", "s").exits(3)
	if out := in("ask", "s", "-o", "env").exits(3); !strings.Contains(out, "(exit 3)") {
		t.Errorf("a shell does not see that there are no more:\n%s", out)
	}
	if got := l.attempts(); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("the trials had %v attempts", got)
	}
	server.ends()

	// A server that does not come back is an error, never the end of a trial.
	if out := in("report", "s", "0", "v=5", "--reconnect", "0s").exits(1); strings.Contains(out, "waiting for the server") {
		t.Errorf("it waits:\n%s", out)
	}
	in("ask", "s", "--wait", "10ms").exits(1)
	for _, s := range l.states() {
		if s != types.Completed {
			t.Errorf("the trials are %v", l.states())
		}
	}
}

// TestTokensThatAServerDoesNotTake: the messages name the server and the file.
func TestTokensThatAServerDoesNotTake(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	file := func(name, text string) string {
		path := filepath.Join(l.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, says := range map[string]string{
		file("wrong.token", "tnr_wrong\n"): server.url + " refuses the token of ",
		file("empty.token", "\n"):          "--token-file: ",
		file("two.token", "a b\n"):         "--token-file: ",
	} {
		out := l.run(l.command("ls", "--url", server.url, "--token-file", path)).exits(2)
		if !strings.Contains(out, says) || !strings.Contains(out, path) || !strings.Contains(out, "tuner token create") || strings.Contains(out, "Authorization") {
			t.Errorf("%s:\n%s", filepath.Base(path), out)
		}
	}
	viewer := filepath.Join(l.dir, "viewer.token")
	l.run(l.command("token", "create", "eve", "--role", "viewer", "--out", viewer)).exits(0)
	out := l.run(l.command("create", "s", "--min", "v", "-p", "x=0.0..1.0", "--url", server.url, "--token-file", viewer)).exits(2)
	if !strings.Contains(out, "a viewer may not create studies; submit or admin may") {
		t.Errorf("the refusal of a viewer:\n%s", out)
	}
	server.ends()
}
