package promtext

import "golang.org/x/sys/windows"

func process() map[string]float64 {
	var created, ended, kernel, user windows.Filetime
	if windows.GetProcessTimes(windows.CurrentProcess(), &created, &ended, &kernel, &user) != nil {
		return nil
	}
	// Durations are in units of 100 ns.
	seconds := func(f windows.Filetime) float64 {
		return float64(int64(f.HighDateTime)<<32|int64(f.LowDateTime)) / 1e7
	}
	return map[string]float64{cpuSeconds: seconds(kernel) + seconds(user), startTime: float64(created.Nanoseconds()) / 1e9}
}
