package trial

import "github.com/gotuner/tuner/api/types"

// Action is what happens to a trial or an attempt.
type Action string

// The actions on a trial.
const (
	Enqueue    Action = "enqueue"    // it is created
	Import     Action = "import"     // it is created with its result
	Lease      Action = "lease"      // an attempt gets it
	Requeue    Action = "requeue"    // its attempt was lost or interrupted
	Pause      Action = "pause"      // it waits for promotion
	Promote    Action = "promote"    // it goes on
	Complete   Action = "complete"   // it ended with a value
	Prune      Action = "prune"      // a stopper or the study's end stopped it
	Fail       Action = "fail"       // it ended without a usable result
	Infeasible Action = "infeasible" // its objective is no number, or it said so
	Cancel     Action = "cancel"     // a user stopped it
)

// The actions on an attempt, beside Lease, which makes it.
const (
	Begin  Action = "begin"  // its executor accepted it
	Run    Action = "run"    // it runs
	Halt   Action = "halt"   // it was asked to stop
	Exit   Action = "exit"   // it ended
	Vanish Action = "vanish" // its holder or its process is gone
)

// newborn is the state before creation.
const newborn = ""

// trialTable is the state machine of trials; docs/state-machine.md draws it.
var trialTable = map[Action]map[types.State]types.State{
	Enqueue:    {newborn: types.Queued},
	Lease:      {types.Queued: types.Running},
	Requeue:    {types.Running: types.Queued},
	Pause:      {types.Running: types.Paused},
	Promote:    {types.Paused: types.Queued},
	Complete:   {types.Running: types.Completed},
	Prune:      {types.Running: types.Pruned, types.Paused: types.Pruned},
	Fail:       {types.Running: types.Failed},
	Infeasible: {types.Running: types.Infeasible},
	Cancel:     {types.Queued: types.Cancelled, types.Running: types.Cancelled, types.Paused: types.Cancelled},
}

// attemptTable is the state machine of attempts.
var attemptTable = map[Action]map[types.AttemptState]types.AttemptState{
	Lease: {newborn: types.Leased},
	Begin: {types.Leased: types.AttemptStarting},
	Run:   {types.Leased: types.AttemptRunning, types.AttemptStarting: types.AttemptRunning},
	Halt: {types.Leased: types.Stopping, types.AttemptStarting: types.Stopping,
		types.AttemptRunning: types.Stopping},
	Exit: {types.Leased: types.Exited, types.AttemptStarting: types.Exited,
		types.AttemptRunning: types.Exited, types.Stopping: types.Exited},
	Vanish: {types.Leased: types.Lost, types.AttemptStarting: types.Lost,
		types.AttemptRunning: types.Lost, types.Stopping: types.Lost},
}

// Apply changes the state of t; a transition that the table does not have is a
// Conflict and changes nothing.
func (t *Trial) Apply(a Action) error {
	to, ok := trialTable[a][t.State]
	if !ok {
		return types.Errorf(types.Conflict, "trial %d is %s; it cannot %s", t.Number, orNew(t.State), a)
	}
	t.State = to
	return nil
}

// ApplyImport creates t with a result.
func (t *Trial) ApplyImport(s types.State) error {
	if t.State != newborn || !s.Finished() {
		return types.Errorf(types.Conflict, "a trial cannot be imported as %s", orNew(s))
	}
	t.State = s
	return nil
}

// Apply changes the state of a; a transition that the table does not have is a
// Conflict and changes nothing. Repeating Begin, Run or Halt is no change.
func (a *Attempt) Apply(act Action) error {
	to, ok := attemptTable[act][a.State]
	if !ok {
		if a.State.Finished() || act == Lease {
			return types.Errorf(types.Conflict, "attempt %d of trial %d is %s; it cannot %s",
				a.Number, a.Trial, orNew(a.State), act)
		}
		return nil // an earlier phase told late
	}
	a.State = to
	return nil
}

func orNew[S ~string](s S) string {
	if s == newborn {
		return "not created yet"
	}
	return string(s)
}
