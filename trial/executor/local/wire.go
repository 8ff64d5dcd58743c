//go:build linux || darwin

package local

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Agent and supervisor exchange frames over a unix socket: four bytes of
// length (big endian), then JSON. The agent sends requests, the supervisor a
// reply to each, and, unasked, a reply without ID for each attempt that ends.
// All requests may be repeated.

// protocolVersion is part of the names of the supervisor's files, so that
// supervisors of two versions can serve one folder side by side.
const protocolVersion = 1

// maxFrame bounds a frame: far above what a kernel takes as arguments and
// environment of a process.
const maxFrame = 64 << 20

// op is what a request asks for.
type op string

const (
	opHello op = "hello" // the first request on a connection
	opStart op = "start" // start or find an attempt
	opWatch op = "watch" // tell how an attempt stands
	opStop  op = "stop"  // stop an attempt
	opBye   op = "bye"   // the agent leaves; end now if there is nothing to do
)

// request is what agents send. Dir is the attempt directory.
type request struct {
	ID  uint64 `json:"id"`
	Op  op     `json:"op"`
	Dir string `json:"dir,omitempty"`
	// Argv, Env and Cwd are bytes because JSON strings cannot carry every
	// argument that a kernel can; the parts of lists end with a zero byte.
	Argv   []byte        `json:"argv,omitempty"`
	Env    []byte        `json:"env,omitempty"`
	Cwd    []byte        `json:"cwd,omitempty"`
	Signal string        `json:"signal,omitempty"`
	Grace  time.Duration `json:"grace,omitempty"`
}

// standing is how an attempt stands with the supervisor.
type standing string

const (
	standRunning standing = "running"
	standEnded   standing = "ended"   // Exit says how
	standGone    standing = "gone"    // it had begun earlier and was lost
	standUnknown standing = "unknown" // its directory tells more
	standLeaving standing = "leaving" // to bye: the supervisor ends now
)

// reply is what the supervisor sends.
type reply struct {
	ID       uint64       `json:"id,omitempty"`
	Dir      string       `json:"dir,omitempty"`
	Handle   string       `json:"handle,omitempty"`
	Standing standing     `json:"standing,omitempty"`
	Exit     *exitRecord  `json:"exit,omitempty"`
	Started  time.Time    `json:"started,omitzero"`
	Error    *types.Error `json:"error,omitempty"`
}

func writeFrame(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxFrame {
		return types.Errorf(types.Invalid, "arguments and environment have %d bytes, which no process can take", len(b)).
			WithRemedy("pass large data in files")
	}
	buf := make([]byte, 4, 4+len(b))
	binary.BigEndian.PutUint32(buf, uint32(len(b)))
	_, err = w.Write(append(buf, b...))
	return err
}

func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return fmt.Errorf("a frame of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// joinZero encodes a list of strings that contain no zero bytes.
func joinZero(list []string) []byte {
	var b bytes.Buffer
	for _, s := range list {
		b.WriteString(s)
		b.WriteByte(0)
	}
	return b.Bytes()
}

// splitZero is the reverse of joinZero.
func splitZero(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}
