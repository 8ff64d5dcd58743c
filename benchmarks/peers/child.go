package peers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
)

const (
	// longestLine bounds a reply.
	longestLine = 16 << 20
	// tailSize is how much of the standard error an error shows.
	tailSize = 2 << 10
	// patience is how long a child may take to go by itself.
	patience = 5 * time.Second
	// lingering bounds the wait for grandchildren that hold the output open
	// after their parent has died.
	lingering = 2 * time.Second
)

// request is a line to the driver. Beside the protocol's there is the op
// "preload", with Trials: finished trials that the tuner did not propose.
type request struct {
	types.PipeRequest

	Trials []types.PipeTrial `json:"trials,omitempty"`
}

const opPreload types.PipeOp = "preload"

// child is a running driver. It is used by one goroutine at a time.
type child struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan []byte   // closed at the end of the output
	exited chan struct{} // closed when the process is gone and waited for
	stderr *tail
	// stopped ends the reader, which may hold a line that nobody wants.
	stopped chan struct{}
	// tooLong is set before lines is closed.
	tooLong bool
	broken  bool
}

// start runs the command. The child outlives the call that started it.
func start(name string, command, env []string) (*child, error) {
	c := &child{
		name: name, lines: make(chan []byte), exited: make(chan struct{}), stopped: make(chan struct{}),
		stderr: &tail{},
	}
	c.cmd = exec.Command(command[0], command[1:]...) //nolint:noctx // it serves several calls; stop ends it
	c.cmd.Env = env
	c.cmd.Stderr = c.stderr
	c.cmd.WaitDelay = lingering
	ownGroup(c.cmd)
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, types.Errorf(types.Unavailable, "the driver of %s does not start: %w", name, err)
	}
	c.stdin = stdin
	go c.read(stdout)
	return c, nil
}

// read hands on lines until the output ends, then waits for the process.
func (c *child) read(stdout io.Reader) {
	defer close(c.exited)
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, longestLine)
	for more := true; more && lines.Scan(); {
		select {
		case c.lines <- bytes.Clone(lines.Bytes()):
		case <-c.stopped:
			more = false
		}
	}
	if lines.Err() != nil {
		// Nothing that follows can be understood.
		c.tooLong = true
		killGroup(c.cmd)
	}
	_ = c.cmd.Wait() // its result is in ProcessState
	killGroup(c.cmd) // what it started and left behind
	close(c.lines)
}

// call sends a request and waits for its reply. An error of the tuner itself is
// returned as it was sent; all others end the child.
func (c *child) call(ctx context.Context, r request) (*types.PipeReply, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	// The child may not read while it works, so writing can block too.
	written := make(chan error, 1)
	go func() {
		_, err := c.stdin.Write(append(line, '\n'))
		written <- err
	}()
	var reply []byte
	var open bool
	select {
	case reply, open = <-c.lines:
	case <-ctx.Done():
		c.stop()
		return nil, fmt.Errorf("%s was ended while it worked on %q: %w", c.name, r.Op, context.Cause(ctx))
	}
	if !open {
		c.broken = true
		return nil, c.died(r.Op)
	}
	if err := <-written; err != nil {
		c.stop()
		return nil, types.Errorf(types.Unavailable, "%s does not take requests: %w", c.name, err)
	}
	return c.understand(r.Op, reply)
}

func (c *child) understand(op types.PipeOp, line []byte) (*types.PipeReply, error) {
	reply := &types.PipeReply{}
	if err := json.Unmarshal(line, reply); err != nil {
		c.stop()
		return nil, types.Errorf(types.Internal, "%s answered %q with a line that is no reply, %.200q: %w", c.name, op, line, err).
			WithRemedy("a driver writes nothing but replies to its standard output")
	}
	if e := reply.Error; e != nil {
		e.Message = c.name + ": " + e.Message
		if e.Code == types.Internal {
			e.Message += c.stderr.quoted()
		}
		return nil, e
	}
	return reply, nil
}

// died says how the process ended.
func (c *child) died(op types.PipeOp) error {
	if c.tooLong {
		return types.Errorf(types.Internal, "%s answered %q with a line of more than %d MiB", c.name, op, longestLine>>20)
	}
	return types.Errorf(types.Unavailable, "%s ended (%s) while it worked on %q%s", c.name, c.cmd.ProcessState, op, c.stderr.quoted())
}

// stop kills the process group and waits until it is gone.
func (c *child) stop() {
	if c.stopping() {
		return
	}
	select {
	case <-c.exited:
	default:
		killGroup(c.cmd)
	}
	close(c.stopped)
	<-c.exited
	_ = c.stdin.Close() // closed by Wait already, if it came so far
	c.broken = true
}

func (c *child) stopping() bool {
	select {
	case <-c.stopped:
		return true
	default:
		return false
	}
}

// retire ends an idle child: the end of its input tells it to go.
func (c *child) retire() error {
	err := c.stdin.Close()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.exited:
	case <-timer.C:
	}
	c.stop()
	if errors.Is(err, os.ErrClosed) {
		return nil // it went before
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if n := len(t.kept) - tailSize; n > 0 {
		t.kept = append(t.kept[:0], t.kept[n:]...)
	}
	return len(b), nil
}

// quoted is the tail as the end of a message.
func (t *tail) quoted() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(t.kept)); text != "" {
		return "; it wrote:\n" + text
	}
	return ""
}
