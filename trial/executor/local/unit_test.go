//go:build linux || darwin

package local

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

func TestLiving(t *testing.T) {
	table := []process{
		{pid: 1}, {pid: 10, ppid: 1}, {pid: 11, ppid: 10}, {pid: 12, ppid: 11, zombie: true},
		{pid: 13, ppid: 12}, {pid: 20, ppid: 1}, {pid: 21, ppid: 20},
		{pid: 30, ppid: 31}, {pid: 31, ppid: 30}, // A loop, as a snapshot can have.
		{pid: 40, ppid: 10}, {pid: 41, ppid: 40},
	}
	got := []int{}
	for _, p := range living(table,
		func(p process) bool { return p.pid == 40 },
		func(p process) bool { return p.pid == 10 || p.pid == 21 }) {
		got = append(got, p.pid)
	}
	// 40 is excluded, and what it started with it.
	if want := []int{10, 11, 13, 21}; !slices.Equal(got, want) {
		t.Errorf("living = %v, want %v", got, want)
	}
}

func TestZeroLists(t *testing.T) {
	for _, list := range [][]string{nil, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a b", "\xff\n"}} {
		if got := splitZero(joinZero(list)); !slices.Equal(got, list) {
			t.Errorf("%q comes back as %q", list, got)
		}
	}
}

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	sent := request{ID: 7, Op: opStart, Dir: "/x", Argv: []byte("a\x00\xff\x00"), Grace: time.Second}
	if err := writeFrame(&b, &sent); err != nil {
		t.Fatal(err)
	}
	whole := slices.Clone(b.Bytes())
	var got request
	if err := readFrame(&b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Errorf("it comes back changed (-want +got):\n%s", diff)
	}
	for n := range whole {
		if err := readFrame(bytes.NewReader(whole[:n]), &got); err == nil {
			t.Errorf("the first %d of %d bytes are taken for a frame", n, len(whole))
		}
	}
	if err := readFrame(bytes.NewReader([]byte{0xff, 0, 0, 0, 1}), &got); err == nil {
		t.Error("a frame of 4 GB is waited for")
	}
	if err := writeFrame(&b, &request{Env: make([]byte, maxFrame)}); types.CodeOf(err) != types.Invalid {
		t.Errorf("a request above the limit: %v, want an Invalid error", err)
	}
}

func TestHandles(t *testing.T) {
	h := handle{Version: 1, Dir: "/a b/ü", Pid: 12, Start: 1 << 60, Boot: "x"}
	if got, err := parseHandle(h.String()); err != nil || got != h {
		t.Errorf("%+v comes back as %+v, %v", h, got, err)
	}
	for text, code := range map[string]types.Code{
		"": types.Invalid, "{}": types.Invalid, `{"version":1}`: types.Invalid,
		`{"version":1,"dir":"x"}`: types.Invalid, `{"version":9,"dir":"/x"}`: types.Unsupported,
	} {
		if h, err := parseHandle(text); types.CodeOf(err) != code {
			t.Errorf("%q: %+v, %v; want a %s error", text, h, err, code)
		}
	}
}

// TestHandlesOfOthers: with a root, a handle that somebody made up leads nowhere.
func TestHandlesOfOthers(t *testing.T) {
	root := t.TempDir()
	e, err := New(Config{Dir: filepath.Join(root, ".agents", "0"), Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer closeExecutor(t, e)
	for _, dir := range []string{"/etc", root, root + "x", filepath.Dir(root), root + "/../other", root + "/3/../../other", root + "/3//1", root + "/3/1/"} {
		h := handle{Version: 1, Dir: dir, Pid: os.Getpid()}.String()
		_, statusErr := e.Status(t.Context(), []string{h})
		_, waitErr := e.Wait(t.Context(), h)
		for _, err := range []error{statusErr, waitErr, e.Stop(t.Context(), h, "KILL", 0)} {
			if types.CodeOf(err) != types.Invalid {
				t.Errorf("a handle to %s: %v", dir, err)
			}
		}
	}
	if st, err := e.Status(t.Context(), []string{handle{Version: 1, Dir: filepath.Join(root, "3", "1")}.String()}); err != nil || st[0].Phase != executor.Gone {
		t.Errorf("a handle below the root: %+v, %v", st, err)
	}
}

func closeExecutor(t *testing.T, e *Executor) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestIdentity: a pid alone does not make a process the attempt's.
func TestIdentity(t *testing.T) {
	boot, err := bootID()
	if err != nil || boot == "" {
		t.Fatalf("bootID = %q, %v", boot, err)
	}
	self, ok := lookProcess(os.Getpid())
	if !ok || self.start == 0 || self.ppid != os.Getppid() || self.pgid != unix.Getpgrp() {
		t.Fatalf("lookProcess = %+v, %v", self, ok)
	}
	dir := t.TempDir()
	h := handle{Version: 1, Dir: dir, Pid: self.pid, Start: self.start, Boot: boot}
	for _, c := range []struct {
		change func(*handle)
		want   executor.Phase
	}{
		{func(*handle) {}, executor.Running},
		{func(h *handle) { h.Start++ }, executor.Gone},
		{func(h *handle) { h.Boot = "another" }, executor.Gone},
		{func(h *handle) { h.Pid = 0 }, executor.Gone},
	} {
		other := h
		c.change(&other)
		if st, err := inspect(other, boot); err != nil || st.Phase != c.want {
			t.Errorf("inspect(%+v) = %+v, %v; want %s", other, st, err, c.want)
		}
	}
	// Who holds the lock answers for it, whatever became of the process.
	lock, err := flock(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	gone := handle{Version: 1, Dir: dir}
	if st, err := inspect(gone, boot); err != nil || st.Phase != executor.Running {
		t.Errorf("inspect while the lock is held = %+v, %v; want running", st, err)
	}
	if st, err := claim(gone, boot); !errors.Is(err, errLocked) {
		t.Errorf("claim while the lock is held = %+v, %v; want errLocked", st, err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := claim(gone, boot); err != nil || st.Phase != executor.Gone {
		t.Errorf("claim = %+v, %v; want gone", st, err)
	}
}

func TestExitRecord(t *testing.T) {
	dir := t.TempDir()
	if r, err := readExit(dir); r != nil || err != nil {
		t.Errorf("readExit of nothing = %+v, %v", r, err)
	}
	now := time.Now().UTC().Round(0)
	want := exitRecord{Version: 1, Exit: -1, Signal: "KILL", Stopped: "TERM", Started: now.Add(-time.Second), Ended: now, CPU: 1234.567891, MaxRSS: 42 << 20}
	if err := writeFile(dir, exitFile, &want); err != nil {
		t.Fatal(err)
	}
	got, err := readExit(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("it comes back changed (-want +got):\n%s", diff)
	}
	if cpu := got.status().CPU; cpu != 1234567891*time.Microsecond {
		t.Errorf("CPU = %v, want 20m34.567891s", cpu)
	}
	if err := os.WriteFile(filepath.Join(dir, exitFile), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := readExit(dir); err == nil {
		t.Errorf("readExit of nonsense = %+v", r)
	}
}

func TestMarkEnv(t *testing.T) {
	env := []string{"A=1", "odd", "B=", "A=2", MarkEnv + "=/outer", "=C:=x"}
	got := markEnv(env, "/inner")
	want := []string{"A=2", "odd", "B=", MarkEnv + "=/inner", "=C:=x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if env[0] != "A=1" {
		t.Error("the caller's list was changed")
	}
}

// TestEndedAreForgotten: an agent may run for millions of attempts.
func TestEndedAreForgotten(t *testing.T) {
	e := newExecutor(t, t.TempDir())
	for i := range 3 * keepEnded {
		e.pushed(&reply{Dir: filepath.Join("/x", time.Duration(i).String()), Exit: &exitRecord{}})
	}
	if len(e.attempts) != keepEnded || len(e.ended) != keepEnded {
		t.Errorf("%d attempts are remembered, want %d", len(e.attempts), keepEnded)
	}
	if _, ok := e.known(filepath.Join("/x", time.Duration(3*keepEnded-1).String())); !ok {
		t.Error("the last is forgotten")
	}
}
