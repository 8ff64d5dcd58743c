//go:build race

package collect

// denseLine is shorter with the race detector, which is slow and has nothing to
// find in lines.
const denseLine = 64 << 10
