package engine

// TrialSeed is the seed that the program of a trial is given (TUNER_SEED), for
// those who write down how to run the trial again.
func TrialSeed(seed, number int64) int64 { return trialSeed(seed, number) }
