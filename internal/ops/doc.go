// Package ops is what an operator sees of a running program over HTTP: metrics for Prometheus, whether it lives, whether
// it can do its job, and profiles.
//
// # Invariants
//
//   - It only looks. No request changes anything, and none can hold up the program's work: what does not answer in time
//     is said to hang.
//   - Ready means able to do the job, never merely running.
//   - Every metric is a Family, so that docs/metrics.md, which is written from them, names them all.
//
// # Layout
//
//	family.go  Family: a metric's name, type, labels and meaning; and the collector that reads a program's counts when asked
//	server.go  Server: the listener, and who answers which path
//	health.go  /healthz and /readyz
//	probe.go   Probe: an attempt that is made now and then, and may hang
//	reloads.go metrics about the configuration
//	pprof.go   profiles, on a listener of their own
//
// There is neither TLS nor a password: by default it listens on loopback only.
package ops
