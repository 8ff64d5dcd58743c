//go:build linux

package chaos

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/failpoint"
	"github.com/gotuner/tuner/internal/pgtest"
	"github.com/gotuner/tuner/store/sqlstore"
)

// How long the chaos lasts; benchmarks/README.md has the long run.
var (
	chaosFor  = flag.Duration("chaos.for", 6*time.Second, "how long servers and workers are killed and requests go wrong")
	chaosSeed = flag.Uint64("chaos.seed", 1, "seed of moments, victims and fates")
	chaosOn   = flag.String("chaos.on", "sqlite", "sqlite, or postgres: a server of its own")
)

// The test binary is also the servers, with a clock that jumps, and the workers.
const (
	roleEnv  = "CHAOS_ROLE"
	clockEnv = "CHAOS_CLOCK"
)

var postgres pgtest.Server

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "server":
		os.Exit(serverMain())
	case "crew":
		os.Exit(workerMain())
	}
	// Under the race detector processes would take a second to exit.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

const (
	servers  = 2
	crews    = 4
	crewSize = 50 // workers of a crew: all of them lease at once
	killGap  = 700 * time.Millisecond
	frozen   = leaseTTL * 3 / 2 // longer than a lease
	// patience bounds the waiting for processes.
	patience = 2 * time.Minute
	// oneIn requests goes wrong.
	oneIn = 20
)

// stage is where it all happens.
type stage struct {
	*testing.T

	dir, db, token string
	addresses      []string
	servers        []*process
	crews          []*process
	proxy          *proxy
	r              *rand.Rand
}

// process is one that may be killed.
type process struct {
	cmd   *exec.Cmd
	out   *output
	ended chan struct{}
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// spawn starts this binary in another role.
func (s *stage) spawn(role string, env []string, args ...string) *process {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, args...), out: &output{}, ended: make(chan struct{})}
	p.cmd.Dir = s.dir
	p.cmd.Env = append(append(os.Environ(), roleEnv+"="+role, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir, "TUNER_URL="), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // its exit code is looked at where it matters
	}()
	s.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
	})
	return p
}

func (p *process) signal(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig) // it may have ended
}

// ends waits for the end of a process, which must be a good one.
func (s *stage) ends(p *process, what string) {
	s.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		s.Fatalf("%s does not end:\n%s", what, tail(p.out))
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		s.Errorf("%s ended with %d:\n%s", what, code, tail(p.out))
	}
}

// comesToAnEnd waits for the end of a crew for as long as trials of the study come
// to theirs: a slow machine takes its time, and only what stands still is stuck.
func (s *stage) comesToAnEnd(p *process, what string, c *client.Client, st types.Study) {
	s.Helper()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	var last types.Counts
	for moved := time.Now(); !p.dead(); {
		select {
		case <-p.ended:
		case <-look.C:
			v, err := c.Study(s.Context(), st.ID)
			switch {
			case err != nil:
				s.Fatal(err)
			case v.Counts != last:
				last, moved = v.Counts, time.Now()
			case time.Since(moved) > patience:
				for _, server := range s.servers { // says what each of its goroutines does
					server.signal(syscall.SIGQUIT)
					<-server.ended
					s.Log(server.out)
				}
				s.Fatalf("%s does not end, and nothing moves: %+v\n%s", what, v.Counts, s.said())
			}
		}
	}
	s.ends(p, what)
}

// complaints looks for what no server should say, whatever is done to it.
func (s *stage) complaints(i int, p *process) {
	s.Helper()
	text := p.out.String()
	if strings.Contains(text, "DATA RACE") {
		s.Errorf("server %d logged\n%s", i, text)
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "level=ERROR") {
			s.Errorf("server %d logged %s", i, line)
		}
	}
}

func tail(o *output) string {
	text := o.String()
	return text[max(0, len(text)-4000):]
}

// startServer starts a server; an armed one kills itself right before a commit or
// after one, when nobody else could.
func (s *stage) startServer(i int, armed bool) {
	s.Helper()
	env := []string{clockEnv + "=" + s.clock(i)}
	if armed {
		env = append(env, fmt.Sprintf("%s=engine.%s_commit:%d", failpoint.Env, []string{"before", "after"}[s.r.IntN(2)], 50+s.r.IntN(500)))
	}
	if p := s.servers[i]; p != nil {
		s.complaints(i, p)
	}
	s.servers[i] = s.spawn("server", env, "serve", "--listen", s.addresses[i], "--db", s.db)
}

// dead tells whether a process has ended.
func (p *process) dead() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (s *stage) startCrew(i int) {
	s.Helper()
	name := "crew" + strconv.Itoa(i)
	s.crews[i] = s.spawn("crew", []string{"CHAOS_NAME=" + name, "CHAOS_SIZE=" + strconv.Itoa(crewSize), "CHAOS_URL=" + s.proxy.url,
		"CHAOS_TOKEN=" + s.token, "CHAOS_LOG=" + filepath.Join(s.dir, name+".log"), "CHAOS_SEED=" + strconv.FormatUint(s.r.Uint64(), 10)})
}

var announced = regexp.MustCompile(`(?s)url   http://(\S+)\ntoken (\S+)\n.*use it:`)

// up starts a server that is to stay and returns what it announced: its address
// and the file of the token. Somebody else may have its address for a moment.
func (s *stage) up(i int) (m []string) {
	s.Helper()
	s.startServer(i, false)
	s.until("the start of a server", func() bool {
		if s.servers[i].dead() {
			s.Logf("server %d ended:\n%s", i, tail(s.servers[i].out))
			s.startServer(i, false)
		}
		m = announced.FindStringSubmatch(s.servers[i].out.String())
		return m != nil
	})
	return m
}

// setUp starts servers, the bad network and the workers of a study.
func setUp(t *testing.T) (*stage, *client.Client, types.Study) {
	t.Helper()
	s := &stage{T: t, dir: t.TempDir(), r: rand.New(rand.NewPCG(*chaosSeed, 0)), servers: make([]*process, servers), crews: make([]*process, crews)}
	s.db = filepath.Join(s.dir, "chaos.db")
	if *chaosOn == "postgres" {
		s.db = postgres.DSN(t)
	}
	for i := range servers {
		s.addresses = append(s.addresses, "127.0.0.1:0")
		s.setClock(i, 0)
		m := s.up(i)
		s.addresses[i] = m[1]
		b, err := os.ReadFile(m[2])
		if err != nil {
			t.Fatal(err)
		}
		s.token = strings.TrimSpace(string(b))
	}
	var err error
	if s.proxy, err = newProxy(*chaosSeed, s.addresses...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.proxy.close(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(client.Config{URL: s.proxy.url, Token: s.token, Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	st, err := c.OpenStudy(t.Context(), types.StudySpec{Name: "chaos", Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "v", Goal: types.Minimize}}, Algorithm: types.Component{Name: "random"},
		Budget: types.Budget{Trials: 1 << 40}, Retries: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range crews {
		s.startCrew(i)
	}
	return s, c, st
}

// until polls for what another process does.
func (s *stage) until(what string, done func() bool) {
	s.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !done(); {
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("%s did not come:\n%s", what, s.said())
		}
	}
}

// said is the end of what each process has printed.
func (s *stage) said() string {
	var b strings.Builder
	for _, p := range append(slices.Clone(s.servers), s.crews...) {
		if p != nil {
			b.WriteString(strings.Join(p.cmd.Args, " ") + ":\n" + tail(p.out))
		}
	}
	return b.String()
}

// loiterers are callers who begin a request and do not go on.
func (s *stage) loiterers(ctx context.Context, n int) {
	for i := range n {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addresses[i%servers])
		if err != nil {
			continue // the server is away
		}
		_, _ = c.Write([]byte("POST /v1/projects/default/studies/chaos/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n" +
			"Content-Type: application/json\r\nAuthorization: Bearer " + s.token + "\r\n\r\n{"))
		context.AfterFunc(ctx, func() { _ = c.Close() })
	}
}

// harm is what was done to servers, crews and the database.
type harm struct{ serversKilled, serversDied, crewsKilled, crewsFrozen, jumps, restarts, crashes, backends int }

// rage kills servers and workers until the time is over, and enqueues points
// under keys; it returns the points with the numbers that they were acknowledged
// with.
func (s *stage) rage(c *client.Client, st types.Study) (queued map[float64]int64, done harm) {
	s.Helper()
	ctx, stop := context.WithTimeout(s.Context(), *chaosFor)
	defer stop()
	s.loiterers(ctx, 40)
	queued = map[float64]int64{}
	var enqueuing sync.WaitGroup
	defer enqueuing.Wait()
	once := c.Impatient()
	enqueuing.Go(func() {
		key := client.NewKey()
		for i := 0; ctx.Err() == nil; {
			x := float64(i+1) / (1 << 20)
			r, err := once.Control(s.Context(), types.ControlRequest{Study: st.ID, Kind: types.Enqueue, Key: key,
				Points: []types.Params{{{Name: "x", Value: x}}}})
			switch {
			case err == nil && len(r.Numbers) == 1:
				queued[x] = r.Numbers[0]
				i, key = i+1, client.NewKey()
			case types.CodeOf(err) != types.Unavailable: // else it is sent again, under its key
				s.Errorf("enqueue: %v, %v", r.Numbers, err)
				return
			}
			select {
			case <-time.After(killGap / 5):
			case <-ctx.Done():
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			return queued, done
		case <-time.After(time.Duration(float64(killGap) * (0.5 + s.r.Float64()))):
		}
		for i, p := range s.servers {
			if p.dead() {
				done.serversDied++
				s.startServer(i, true)
			}
		}
		if s.r.IntN(2) == 0 {
			s.jump(s.r.IntN(servers))
			done.jumps++
		}
		if *chaosOn == "postgres" && s.r.IntN(3) == 0 {
			s.disturb(&done)
		}
		switch i := s.r.IntN(crews); s.r.IntN(3) {
		case 0:
			i %= servers
			s.servers[i].signal(syscall.SIGKILL)
			<-s.servers[i].ended
			done.serversKilled++
			s.startServer(i, true)
		case 1:
			s.crews[i].signal(syscall.SIGKILL)
			<-s.crews[i].ended
			done.crewsKilled++
			s.startCrew(i)
		default: // a machine that sleeps, and wakes up when its leases are others'
			p := s.crews[i]
			p.signal(syscall.SIGSTOP)
			done.crewsFrozen++
			time.AfterFunc(frozen, func() { p.signal(syscall.SIGCONT) })
		}
	}
}

// disturb ends the database's server, or connections to it: as an administrator
// restarts it, as it dies at once, and by the death of one of its processes, after
// which it ends all others and recovers by itself.
func (s *stage) disturb(done *harm) {
	s.Helper()
	switch s.r.IntN(3) {
	case 0:
		postgres.Restart(s)
		done.restarts++
	case 1:
		postgres.Crash(s)
		postgres.Resume(s)
		done.crashes++
	default:
		postgres.KillBackend(s)
		done.backends++
	}
}

// TestChaos: whatever is killed and whatever happens to requests, nothing that
// was acknowledged is missing, no trial has two holders, and nothing is stuck.
func TestChaos(t *testing.T) {
	if testing.Short() && *chaosFor > time.Second {
		*chaosFor = 3 * time.Second
	}
	s, c, st := setUp(t)
	s.proxy.misbehave(oneIn)
	queued, done := s.rage(c, st)
	s.proxy.misbehave(0)
	for i, p := range s.servers { // the last one
		p.signal(syscall.SIGKILL)
		<-p.ended
		s.up(i)
	}
	for i := range servers { // under leases that are held, of which some are forgotten
		s.setClock(i, -2*maxJump)
	}

	// No new trials: what there is must come to its end.
	v, err := c.Study(t.Context(), st.ID)
	if err != nil {
		t.Fatal(err)
	}
	n := v.Counts.Spent() + v.Counts.Queued + v.Counts.Running
	if _, err := c.Control(t.Context(), types.ControlRequest{Study: st.ID, Kind: types.Edit, Budget: &types.Budget{Trials: n}}); err != nil {
		t.Fatal(err)
	}
	for i, p := range s.crews {
		s.comesToAnEnd(p, "crew "+strconv.Itoa(i), c, st)
	}
	for i, p := range s.servers {
		p.signal(syscall.SIGTERM)
		s.ends(p, "server "+strconv.Itoa(i))
		s.complaints(i, p)
	}

	db, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: s.db})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	logs := readLogs(t, s.dir)
	logs.check(t, db, st.ID)
	checkQueued(t, db, st.ID, queued)
	s.report(logs, done, len(queued))
	if logs.granted == 0 || len(logs.finished) == 0 || done == (harm{}) {
		t.Error("nothing happened")
	}
}

func (s *stage) report(logs *told, done harm, queued int) {
	var fates []string
	for i := range s.proxy.fates {
		fates = append(fates, fmt.Sprintf("%d %s", s.proxy.fates[i].Load(), fateNames[i]))
	}
	s.Logf("%d kills of servers at random and %d around commits, %d of crews, which slept %d times; %d jumps of clocks; "+
		"the database restarted %d times, was ended at once %d times and recovered from the death of a process %d times; "+
		"requests: %s, %d found no server; %s; %d points enqueued",
		done.serversKilled, done.serversDied, done.crewsKilled, done.crewsFrozen, done.jumps, done.restarts, done.crashes, done.backends, strings.Join(fates, ", "), s.proxy.away.Load(), logs, queued)
}
