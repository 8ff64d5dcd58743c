package cli

import (
	"cmp"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/local"
)

// ownerOf says which process runs the study; "" if none does.
func (f *dbFlags) ownerOf(st trial.Study) string {
	if st.Owner == "" || f.dead(st) {
		return ""
	}
	return cmp.Or(st.OwnerAddr, "another process")
}

// leftBy says which process ran the study and died before it could give it up;
// "" if none did.
func (f *dbFlags) leftBy(st trial.Study) string {
	if st.Owner == "" || !f.dead(st) {
		return ""
	}
	return cmp.Or(st.OwnerAddr, "a process")
}

// dead reports whether the owner of a study is: it gave no sign of life, or was
// a process of this machine that has ended.
func (f *dbFlags) dead(st trial.Study) bool {
	return !st.LeaseUntil.After(f.st.now()) || local.OwnerDead(st.Owner)
}

// leftShort stands where a list names the process that runs a study.
const leftShort = "left by a dead sweep"

// isServer tells a server's address from that of a sweep or a program.
func isServer(addr string) bool {
	return strings.HasPrefix(addr, "http://") || strings.HasPrefix(addr, "https://")
}

// left is the sentence about a study that is not finished and that a dead
// process left; "" for any other.
func (f *dbFlags) left(st trial.Study) string {
	by := f.leftBy(st)
	switch {
	case by == "" || st.State != types.StudyActive:
		return ""
	case isServer(by):
		return st.Spec.Name + " was run by the server " + by + ", which takes it over again when somebody asks it for a trial"
	case st.Spec.Run == nil:
		return st.Spec.Name + " was left by a program that died (" + by + "); run it again to go on"
	}
	return st.Spec.Name + " was " + leftShort + " (" + by + "): nothing is lost, and the same command again goes on, or " + sweepOf(st.Spec)
}

// sweepOf is the command that goes on with a study.
func sweepOf(spec types.StudySpec) string {
	s := "tuner sweep "
	if spec.Project != "default" {
		s += "--project " + quoted(spec.Project) + " "
	}
	return s + "--name " + quoted(spec.Name)
}
