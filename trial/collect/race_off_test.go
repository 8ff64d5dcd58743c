//go:build !race

package collect

// denseLine is the length of the lines of TestDenseLines.
const denseLine = 1<<20 - 10
