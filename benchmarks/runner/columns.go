package runner

// resultColumns are those of the files of results.
func resultColumns() table[Result] {
	return table[Result]{
		text("contender", func(r *Result) *string { return &r.Contender }),
		text("version", func(r *Result) *string { return &r.Version }),
		text("settings", func(r *Result) *string { return &r.Settings }),
		text("harness", func(r *Result) *string { return &r.Harness }),
		text("problem", func(r *Result) *string { return &r.Problem }),
		text("group", func(r *Result) *string { return &r.Group }),
		integer("instance", func(r *Result) *int { return &r.Instance }),
		integer("seed", func(r *Result) *int64 { return &r.Seed }),
		integer("budget", func(r *Result) *int { return &r.Budget }),
		integer("workers", func(r *Result) *int { return &r.Workers }),
		text("status", func(r *Result) *Status { return &r.Status }),
		text("note", func(r *Result) *string { return &r.Note }),
		number("optimum", exactly, func(r *Result) *float64 { return &r.Optimum }),
		number("median", exactly, func(r *Result) *float64 { return &r.Median }),
		truth("exact", func(r *Result) *bool { return &r.Exact }),
		list("checkpoints", joinInts, splitInts, func(r *Result) *[]int { return &r.Checkpoints }),
		list("best", joinFloats, splitFloats, func(r *Result) *[]float64 { return &r.Best }),
		list("recommended", joinFloats, splitFloats, func(r *Result) *[]float64 { return &r.Recommended }),
		number("ask_p50", roughly, func(r *Result) *float64 { return &r.AskP50 }),
		number("ask_p95", roughly, func(r *Result) *float64 { return &r.AskP95 }),
		number("ask_p99", roughly, func(r *Result) *float64 { return &r.AskP99 }),
		number("ask_mean", roughly, func(r *Result) *float64 { return &r.AskMean }),
		number("cpu", roughly, func(r *Result) *float64 { return &r.CPU }),
		number("wall", roughly, func(r *Result) *float64 { return &r.Wall }),
		number("allocs", roughly, func(r *Result) *float64 { return &r.Allocs }),
	}
}

// latencyColumns are those of LatencyFile.
func latencyColumns() table[Latency] {
	return table[Latency]{
		text("contender", func(l *Latency) *string { return &l.Contender }),
		text("version", func(l *Latency) *string { return &l.Version }),
		text("settings", func(l *Latency) *string { return &l.Settings }),
		text("harness", func(l *Latency) *string { return &l.Harness }),
		integer("params", func(l *Latency) *int { return &l.Params }),
		integer("trials", func(l *Latency) *int { return &l.Trials }),
		integer("asks", func(l *Latency) *int { return &l.Asks }),
		text("status", func(l *Latency) *Status { return &l.Status }),
		text("note", func(l *Latency) *string { return &l.Note }),
		number("p50", roughly, func(l *Latency) *float64 { return &l.P50 }),
		number("p95", roughly, func(l *Latency) *float64 { return &l.P95 }),
		number("p99", roughly, func(l *Latency) *float64 { return &l.P99 }),
		number("mean", roughly, func(l *Latency) *float64 { return &l.Mean }),
		number("cpu", roughly, func(l *Latency) *float64 { return &l.CPU }),
		number("tell", roughly, func(l *Latency) *float64 { return &l.Tell }),
		number("allocs", roughly, func(l *Latency) *float64 { return &l.Allocs }),
	}
}
