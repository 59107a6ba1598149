// Package e2e tests Log Scribe as a whole: it builds the programs, runs them as processes on loopback, kills, stops and
// cuts them off from each other, and compares every byte that arrives with what was written.
//
// The package holds tests alone. docs/testing.md tells how to run them, and what each part of a failure means.
//
// # Layout
//
//	main_test.go     flags, and the build of the programs
//	proc_test.go     proc: one program that is started, killed and started again
//	cluster_test.go  cluster: the programs of one test, their folders and ports
//	ports_test.go    ports, each given out once
//	corpus_test.go   corpus: the lines that are written
//	writer_test.go   writer: an application that appends to a file and rotates it
//	proxy_test.go    proxy: a wire that can be cut, in one direction or both
//	checker_test.go  what arrived, compared with what was written
//	chaos_test.go    all of it at once, at random
//
// The other files hold the tests of one question each.
package e2e
