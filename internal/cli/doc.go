// Package cli is what the programs have in common on the command line: settings from flags, environment and a TOML
// file, the usage text, errors that name what to mend, signals, exit codes, the logger, and what package ops serves.
//
// # Invariants
//
//   - A setting is registered once. Its flag beats its environment variable, which beats its key in the file given by
//     -config, which beats its default.
//   - A value is checked the same way wherever it comes from, even where another origin beats it, and a bad one is
//     reported with its origin: -size, SCRIBE_SIZE, or scribe.toml:12: size.
//   - Nothing unknown is passed over in flags and files. The error names it, and the nearest known name.
//   - An error is one line on stderr. The exit code is 0 after a clean stop, 1 after a failure, 2 after bad usage.
//   - A reload that meets any mistake, or a setting that can't change in a running program, changes nothing.
//   - A signal that comes at any time after main has begun, and some milliseconds before, is heeded: see package signals.
//   - This package never ends the process: Main returns the exit code.
//
// # Layout
//
//	program.go   Program: a program's settings and commands, and how its command line is read
//	settings.go  Settings: a group of settings that is registered together, one of a program or of a table in its file
//	setting.go   Setting: one setting, and the kinds of values there are
//	checks.go    checks of values that several programs need
//	flags.go     flags and environment
//	file.go      the TOML file: which keys there are, and whom they concern
//	document.go  the TOML file: its text, and the line of every key
//	nearest.go   what a misspelt name may have meant
//	usage.go     what -h prints
//	print.go     print-config: the settings in force, and where each comes from
//	folder.go    checks of files and folders that change nothing
//	errors.go    UsageError, and how errors are printed
//	process.go   Main: signals, logger, exit codes
//	reload.go    SIGHUP: the settings are read again, all or nothing
//	manager.go   what the service manager is told: ready, status, reload, stop, and that the program lives
//	tls.go       the settings of certificates
//	terminal.go  IsTerminal
//	state.go     StateDir: where state is kept unless the user says otherwise
//	version.go   -version
//
// # Use
//
//	p := cli.New("scribe", "Writes log lines to files.", "scribe [flags]")
//	p.Group("Files")
//	p.Size(&c.MaxSize, "size", "1MB", "rotate a file at this size; -1B means never")
//	os.Exit(p.Main(cli.OS(), func(ctx context.Context, proc *cli.Process) error { ... }))
package cli
