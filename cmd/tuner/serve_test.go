//go:build linux

package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// service is a server under way in a lab.
type service struct {
	*sweep

	url, token string // token is the path of the file
}

var announced = regexp.MustCompile(`(?s)url   (http://\S+)\ntoken (\S+)\n.*use it:`)

// serve starts a server of the lab's database.
func (l *lab) serve(listen string, flags ...string) *service {
	l.t.Helper()
	return l.started(l.command(append([]string{"serve", "--listen", listen}, flags...)...))
}

// started is a server that the command starts.
func (l *lab) started(cmd *exec.Cmd) *service {
	l.t.Helper()
	s := &service{sweep: l.run(cmd)}
	s.shows("use it:")
	m := announced.FindStringSubmatch(s.shown.String())
	if m == nil {
		l.t.Fatalf("the server printed\n%s", s.shown)
	}
	s.url, s.token = m[1], m[2]
	return s
}

func (s *service) flags() []string { return []string{"--url", s.url, "--token-file", s.token} }

// ends stops the server as an operator does.
func (s *service) ends() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	if out := s.exits(0); strings.Contains(out, "level=ERROR") {
		s.t.Errorf("the server logged errors:\n%s", out)
	}
}

// fiveReports is a trial of about a quarter of a second with five reports.
const fiveReports = `for i in 1 2 3 4 5; do echo "step=$i v=$1"; sleep 0.05; done`

// TestTheServerIsKilledDuringASweep: the sweep goes on when the server is there
// again; nothing is lost, and no trial is run twice.
func TestTheServerIsKilledDuringASweep(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	const n = 30
	run := l.begin(n, fiveReports, server.flags()...)
	address := strings.TrimPrefix(server.url, "http://")
	for _, done := range []string{"trial 5 running", "trial 16 running"} {
		run.shows(done)
		server.signal(syscall.SIGKILL)
		<-server.ended
		run.shows("trouble: ")
		server = l.serve(address)
	}
	out := run.exits(0)
	if !strings.Contains(out, "the trouble is over") || !strings.Contains(out, "server "+server.url) {
		t.Errorf("the sweep printed\n%s", out)
	}
	for i, x := range l.attempts() {
		if x != 1 {
			t.Errorf("trial %d needed %d attempts", i, x)
		}
	}
	server.ends()
	l.whole(n)
}

// attempts is how many attempts each trial had, by number.
func (l *lab) attempts() (out []int) {
	l.t.Helper()
	l.look(func(db store.Store, study int64, tr trial.Trial) {
		as, err := db.Attempts(l.t.Context(), study, tr.Number)
		if err != nil {
			l.t.Fatal(err)
		}
		out = append(out, len(as))
	})
	return out
}

// TestSweepsAndAWorkerShareAServer runs two sweeps and a worker at once; one of
// the sweeps is killed, and its trials are handed out again.
func TestSweepsAndAWorkerShareAServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	const n = 40
	first := l.begin(n, fiveReports, server.flags()...)
	first.shows("completed")
	second := l.begin(n, fiveReports, server.flags()...)
	second.shows("completed")
	worker := l.run(l.command(append([]string{"worker", "s", "-j", "2", "--dir", l.trials, "--trust-server-commands"}, server.flags()...)...))
	worker.shows("completed")
	for _, s := range []*sweep{first, second, worker} {
		s.exits(0)
	}
	workers := map[string]bool{}
	l.look(func(db store.Store, study int64, tr trial.Trial) {
		as, err := db.Attempts(t.Context(), study, tr.Number)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range as {
			workers[a.Worker] = true
			if !strings.HasSuffix(a.Node, "/url") {
				t.Errorf("trial %d ran on %q, which could be taken for the server's own machine", tr.Number, a.Node)
			}
		}
		if len(as) != 1 {
			t.Errorf("trial %d has %d attempts", tr.Number, len(as))
		}
	})
	if len(workers) != 3 {
		t.Errorf("the trials were run by %v, want 3 workers", workers)
	}
	server.ends()
	l.whole(n)
}

// TestASweepIsInterruptedWithoutItsServer: who waits for a server that does not
// come back can leave, and goes on later.
func TestASweepIsInterruptedWithoutItsServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	const n = 12
	run := l.begin(n, fiveReports, server.flags()...)
	run.shows("trial 4 running")
	server.signal(syscall.SIGKILL)
	<-server.ended
	run.shows("trouble: ")
	for _, says := range []string{"no new trials; waiting", "asking the running trials to stop", "killing the running trials"} {
		run.signal(syscall.SIGINT)
		run.shows(says)
	}
	if out := run.exits(130); !strings.Contains(out, "\ntuner: no answer from "+server.url) {
		t.Errorf("it ends without the reason:\n%s", out)
	}
	server = l.serve(strings.TrimPrefix(server.url, "http://"))
	l.begin(n, fiveReports, server.flags()...).exits(0)
	server.ends()
	l.whole(n)
}

// TestAKilledSweepComesBackToItsServer: what ran under a killed sweep is found
// again by the next.
func TestAKilledSweepComesBackToItsServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	const n = 12
	first := l.begin(n, fiveReports, server.flags()...)
	first.shows("trial 4 running")
	first.signal(syscall.SIGKILL)
	<-first.ended
	second := l.begin(n, fiveReports, server.flags()...)
	second.exits(0)
	for i, x := range l.attempts() {
		if x != 1 {
			t.Errorf("trial %d needed %d attempts", i, x)
		}
	}
	server.ends()
	l.whole(n)
}

// TestTheFirstToken: it is made once, for the user only, and never printed.
func TestTheFirstToken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	secret, err := os.ReadFile(server.token)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(server.token)
	if err != nil || info.Mode() != 0o600 || len(strings.TrimSpace(string(secret))) < 40 {
		t.Errorf("the token file is %v, %v, with %d bytes", info.Mode(), err, len(secret))
	}
	ask := func(token string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+"/v1/info", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := ask(string(secret)); got != http.StatusOK {
		t.Errorf("the token is answered by %d", got)
	}
	if got := ask("tnr_wrong"); got != http.StatusUnauthorized {
		t.Errorf("a wrong token is answered by %d", got)
	}
	server.ends()
	for _, path := range []string{l.db, l.db + "-wal"} {
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), strings.TrimSpace(string(secret))) {
			t.Errorf("%s holds the token itself", path)
		}
	}
	all := server.shown.String()

	// The next start keeps it, and others are made and revoked beside it.
	server = l.serve("127.0.0.1:0", "-v")
	if again, err := os.ReadFile(server.token); err != nil || string(again) != string(secret) {
		t.Errorf("the second start changed the token: %v", err)
	}
	other := filepath.Join(l.dir, "other.token")
	if out := l.run(l.command("token", "create", "other", "--role", "admin", "--out", other, "--for", "1h")).exits(0); strings.Contains(out, "tnr_") {
		t.Errorf("the token was printed:\n%s", out)
	}
	made, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(string(made)); got != http.StatusOK {
		t.Errorf("the other token is answered by %d", got)
	}
	l.run(l.command("token", "ls", "--url", server.url)).exits(2) // it needs a token
	far := []string{"--url", server.url, "--token-file", server.token}
	if out := l.run(l.command(append([]string{"token", "ls"}, far...)...)).exits(0); !strings.Contains(out, "other") {
		t.Errorf("over HTTP the tokens are\n%s", out)
	}
	guest := filepath.Join(l.dir, "guest.token")
	l.run(l.command(append([]string{"token", "create", "guest", "--role", "viewer", "--out", guest}, far...)...)).exits(0)
	if seen, err := os.ReadFile(guest); err != nil || ask(string(seen)) != http.StatusOK {
		t.Errorf("the token that was made over HTTP: %v", err)
	}
	l.run(l.command("token", "ls", "--url", server.url, "--token-file", guest)).exits(2)
	l.run(l.command(append([]string{"token", "create", "guest", "--role", "viewer", "--out", guest + "2"}, far...)...)).exits(2)
	l.run(l.command(append([]string{"token", "revoke", "guest"}, far...)...)).exits(0)
	l.run(l.command(append([]string{"token", "revoke", "first"}, far...)...)).exits(2) // its own
	inShell := l.command("token", "ls")
	inShell.Env = append(slices.DeleteFunc(inShell.Env, func(v string) bool { return strings.HasPrefix(v, "TUNER_DB=") }), "TUNER_URL="+server.url)
	inShell.Args = append(inShell.Args, "--db", l.db)
	l.run(inShell).exits(0)
	l.run(l.command("token", "create", "other", "--role", "admin", "--out", other+"2")).exits(2) // the name is taken
	if _, err := os.Stat(other + "2"); err == nil {
		t.Error("a file was left for a token that was not made")
	}
	l.run(l.command("token", "create", "third", "--role", "viewer", "--out", other)).exits(2) // the file is there
	if out := l.run(l.command("token", "create", "third", "--role", "viewer")).exits(2); strings.Contains(out, "tnr_") || !strings.Contains(out, "--out") {
		t.Errorf("without a file it printed\n%s", out)
	}
	if out := l.run(l.command("token", "ls")).exits(0); !strings.Contains(out, "first") || !strings.Contains(out, "other") || strings.Contains(out, "third") {
		t.Errorf("the tokens are\n%s", out)
	}
	l.run(l.command("token", "revoke", "other")).exits(0)
	waitUntil(t, "the end of the revoked token", func() bool { return ask(string(made)) == http.StatusUnauthorized })
	all += server.shown.String()
	server.ends()
	if strings.Contains(all, "tnr_") {
		t.Errorf("a token was printed or logged:\n%s", all)
	}

	// A lost file is said, and not replaced by a new right to everything.
	if err := os.Remove(server.token); err != nil {
		t.Fatal(err)
	}
	s := l.run(l.command("serve", "--listen", "127.0.0.1:0"))
	s.shows("tuner token create")
	s.signal(syscall.SIGTERM)
	s.exits(0)
	if _, err := os.Stat(server.token); err == nil {
		t.Error("the lost token was replaced")
	}
}

// TestServeRefuses: what is not safe or not there yet says so.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	bad := filepath.Join(l.dir, "bad.token")
	if err := os.WriteFile(bad, []byte("tnr_bad\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(args ...string) []string { return append(args, server.flags()...) }
	for want, args := range map[string][]string{
		"needs a token":                 {"ls", "--url", server.url},
		"cannot read the token":         {"ls", "--url", server.url, "--token-file", "none"},
		"the token is not known":        {"ls", "--url", server.url, "--token-file", bad},
		"no answer from":                {"ls", "--url", "http://127.0.0.1:1", "--token-file", bad},
		"show the token to the network": {"ls", "--url", "http://192.0.2.1:7070", "--token-file", bad},
		"gc works on a database":        at("gc", "s"),
		"there is no command to run":    at("sweep", "--name", "s", "-n", "3"),
		"what runs here would be":       at("worker", "s"),
		"there is no study":             at("worker", "s", "--trust-server-commands"),
		"a worker needs a server":       {"worker", "s"},
		"keep --url or --db":            at("ls", "--db", l.db),
		"not another server":            at("serve"),
		"what listens there already":    {"serve", "--listen", strings.TrimPrefix(server.url, "http://")},
	} {
		s := l.run(l.command(args...))
		<-s.ended
		if out := s.shown.String(); s.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(out, want) {
			t.Errorf("tuner %s: exit code %d, %s\nwant %q", strings.Join(args, " "), s.cmd.ProcessState.ExitCode(), out, want)
		}
	}

	// A study whose command is another is not continued, and nothing of what the
	// server has is run.
	l.begin(2, fiveReports, server.flags()...).exits(0)
	if out := l.begin(4, "touch "+filepath.Join(l.dir, "ran")+"; echo v=1", server.flags()...).exits(2); !strings.Contains(out, "command") {
		t.Errorf("another command: %s", out)
	}
	l.begin(2, fiveReports, append(server.flags(), "--env", "LD_PRELOAD=/x")...).exits(0) // it is typed here
	if out := l.begin(4, fiveReports, server.flags()...).exits(2); !strings.Contains(out, "--env") {
		t.Errorf("an environment that was not typed here: %s", out)
	}
	if _, err := os.Stat(filepath.Join(l.dir, "ran")); err == nil {
		t.Error("the other command ran")
	}
	if out := l.run(l.command(at("trials", "s")...)).exits(0); strings.Count(out, "completed") != 2 {
		t.Errorf("the trials over --url:\n%s", out)
	}
	if out := l.run(l.command(at("best", "s")...)).exits(0); !strings.Contains(out, "v") {
		t.Errorf("the best over --url:\n%s", out)
	}
	if out := l.run(l.command(at("ls")...)).exits(0); !strings.Contains(out, "2/"+strconv.Itoa(2)) {
		t.Errorf("the studies over --url:\n%s", out)
	}
	server.ends()
}

// TestAWorkerOfItsOwnCommand: it runs what was typed, also a study without a
// command, and refuses one whose names do not fit. Killed, it finds its trials
// again.
func TestAWorkerOfItsOwnCommand(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	at := func(args ...string) []string { return append(args, server.flags()...) }
	const n = 12
	l.run(l.command(append(at("create", "s", "--algorithm", "random", "--min", "v", "-p", "x=0.0..1.0", "-n", strconv.Itoa(n)), "--seed", "1")...)).exits(0)
	worker := func(command ...string) *sweep {
		return l.run(l.command(append(append(at("worker", "s", "-j", "2", "--dir", l.trials), "--"), command...)...))
	}
	for want, command := range map[string][]string{
		"it never sees x": {"sh", "-c", "echo v=1", "{trial.number}"},
		"{lr}":            {"true", "{lr}"},
		"no-such-program": {"no-such-program", "{args}"},
	} {
		if out := worker(command...).exits(2); !strings.Contains(out, want) {
			t.Errorf("%v: %s\nwant %q", command, out, want)
		}
	}
	first := worker("sh", "-c", fiveReports, "sh", "{x}")
	first.shows("trial 4 running")
	first.signal(syscall.SIGKILL)
	<-first.ended
	worker("sh", "-c", fiveReports, "sh", "{x}").exits(0)
	for i, x := range l.attempts() {
		if x != 1 {
			t.Errorf("trial %d needed %d attempts", i, x)
		}
	}
	out := l.run(l.command(at("worker", "ls")...)).exits(0)
	if strings.Count(out, l.trials) != 1 || !strings.Contains(out, "  s  ") {
		t.Errorf("the workers are\n%s", out)
	}
	server.ends()
	l.whole(n)
}

// TestABrokenWorkerIsPutAside: the server sees that it is the worker's fault, the
// worker ends with the reason, and is let back by hand.
func TestABrokenWorkerIsPutAside(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	at := func(args ...string) []string { return append(args, server.flags()...) }
	l.run(l.command(at("create", "s", "--algorithm", "random", "--min", "v", "-p", "x=0.0..1.0", "--max-failures", "-1")...)).exits(0)
	worker := func(dir, script string, flags ...string) *sweep {
		return l.run(l.command(append(append(append(at("worker", "s", "--dir", filepath.Join(l.dir, dir)), flags...), "--"), "sh", "-c", script, "sh", "{x}")...))
	}
	good := worker("good", "sleep 0.05; echo v=$1")
	good.shows("trial 7 completed")
	bad := worker("bad", "echo no GPU here >&2; exit 1")
	out := bad.exits(2)
	if !strings.Contains(out, "is put aside: its last 3 trials all failed") || !strings.Contains(out, "no GPU here") || !strings.Contains(out, "tuner worker allow ") {
		t.Errorf("the broken worker ended with\n%s", out)
	}
	good.shows("trial 14 completed")
	var name string
	waitUntil(t, "the listing of the worker", func() bool {
		s := l.run(l.command(at("worker", "ls")...))
		m := regexp.MustCompile(`put aside: (\S+): its last 3`).FindStringSubmatch(s.exits(0))
		if m == nil {
			return false
		}
		name = m[1]
		return true
	})
	if !strings.Contains(name, filepath.Join(l.dir, "bad")) {
		t.Errorf("%s is put aside", name)
	}
	for _, args := range [][]string{at("show", "s"), {"show", "s"}, {"doctor"}, {"worker", "ls"}} {
		s := l.run(l.command(args...))
		<-s.ended
		if !strings.Contains(s.shown.String(), "put aside") || !strings.Contains(s.shown.String(), name) {
			t.Errorf("tuner %v says\n%s", args, s.shown)
		}
	}
	if out := worker("bad", "echo v=$1").exits(2); !strings.Contains(out, "is put aside") {
		t.Errorf("mended, but not let back: %s", out)
	}
	l.run(l.command(at("worker", "allow", "nobody")...)).exits(2)
	l.run(l.command(at("worker", "allow", name)...)).exits(0)
	waitUntil(t, "the return of the worker", func() bool {
		s := worker("bad", "echo v=$1", "--for", "200ms")
		<-s.ended
		return s.cmd.ProcessState.ExitCode() == 0 && strings.Contains(s.shown.String(), "completed")
	})
	good.signal(syscall.SIGTERM)
	good.exits(130)
	server.ends()
}
