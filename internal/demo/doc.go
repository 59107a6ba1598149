// Package demo shows within a quarter of a minute what Log Scribe promises: it starts the real programs, has an application
// write lines while each of them is killed and started again, and then counts in the files what has become of the lines.
//
// # Invariants
//
//   - The proof is read from the files: those that the application wrote, and those that the Scribes did. Nothing that a
//     program says of itself counts.
//   - Every process that it starts has ended when Run returns, however it does; on Linux even if it is killed itself.
//   - It writes below one folder, and nowhere else. The folder is kept, so that people can look, unless the demo is broken off.
//
// # Layout
//
//	demo.go       Run: what happens in which order
//	story.go      what is killed when
//	program.go    a program that is started, killed and started again
//	app.go        the application: lines of a fixed length, each with its number and a checksum
//	proof.go      the count of what was written and what was found
//	screen.go     what people see: lines of what happened, and on a terminal one that is alive
package demo
