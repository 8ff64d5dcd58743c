package promtext

// What the system says of this process, by family. What a system does not tell,
// and what cannot be read just now, is not there.
const (
	cpuSeconds = "process_cpu_seconds_total"
	openFiles  = "process_open_fds"
	maxFiles   = "process_max_fds"
	virtual    = "process_virtual_memory_bytes"
	maxVirtual = "process_virtual_memory_max_bytes"
	resident   = "process_resident_memory_bytes"
	startTime  = "process_start_time_seconds"
	received   = "process_network_receive_bytes_total"
	sent       = "process_network_transmit_bytes_total"
)

// Process writes what the system says of this process.
func Process(p *Page) {
	values := process()
	for _, f := range []struct{ name, kind, help string }{
		{cpuSeconds, CounterKind, "Time of processors used, in seconds."},
		{openFiles, GaugeKind, "Open file descriptors."},
		{maxFiles, GaugeKind, "Limit of open file descriptors."},
		{virtual, GaugeKind, "Bytes of address space."},
		{maxVirtual, GaugeKind, "Limit of the address space in bytes."},
		{resident, GaugeKind, "Bytes of memory."},
		{startTime, GaugeKind, "Time of the start, in seconds since 1970."},
		{received, CounterKind, "Bytes received over the network."},
		{sent, CounterKind, "Bytes sent over the network."},
	} {
		if v, ok := values[f.name]; ok {
			p.One(f.name, f.kind, f.help, v)
		}
	}
}
