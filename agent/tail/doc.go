// Package tail is the file source: it finds files, reads them line by line from where it stopped, and hands the lines to
// the spool as blocks, together with the checkpoint that they reach.
//
// # What it promises
//
//   - Every whole line of a file is handed over exactly once, byte for byte, while the file, or an open descriptor of it,
//     exists; where the section has rules for lines (package line), what the rules make of it is. Blocks and checkpoint go
//     into the spool in one Append; so this holds across a crash at any instant.
//   - A file is known by its identity, never by its path: device, inode, time of birth, and probes of its content. So a
//     renamed file is not read twice, and a new file under an old name, or on an old inode, is read in full.
//   - What stood at one path one after another feeds one log in the order of writing, also if files came and were rotated
//     away unseen, or while nothing was running. Order is kept as described in order.go.
//   - Rotation by copying and truncating is followed, too: the copy takes the place of what was truncated, and is read
//     from where the reading had come to (copies.go). So does a compressed file if what it was made of is gone; but for
//     that, compressed files (.gz, .bz2, .zst) are never read, whatever globs cover them (packed.go).
//   - The position in a checkpoint is the end of a line. An unfinished last line waits for its newline; only when its
//     file was renamed or deleted and has been quiet for the grace period is it handed over, with a newline added.
//   - An event of several lines is handed over whole, and waits before its first byte while it may still grow: until the
//     next one begins, its timeout, or the grace period of its file. Newer files at its path wait for it. It never spans
//     two files.
//   - A block may carry the checkpoint at its end: with that alone, reading goes on right behind its last line.
//   - Other sections change neither what is known of files nor how far they are read.
//   - Memory is bounded: by the buffers of a few workers, by a budget for what waits for the spool, and by some hundred
//     bytes for each file. Descriptors are limited, apart from those of deleted files that still have lines.
//   - Lines that are known to be lost are said, and entered in the spool's list of losses with the checkpoint that passes over
//     them: what a truncation destroyed after it was seen and before it was read, and what a deleted file lost to its section's
//     CloseDeletedAfter, to a stop that the spool did not let deliver it, or while nothing was running (losses.go).
//
// # What it must never do
//
//   - Skip bytes because the spool refuses them. It waits and tries again.
//   - Rely on an event. Events only make it faster; looking at files and evaluating globs finds everything by itself.
//   - Watch single files, or keep a goroutine for each file.
//   - Block on a file that can't be read: others go on.
//
// # What it can't know
//
// Bytes that a truncation destroys before they were read are gone, and so are those that were written between the end of
// a copy and the truncation; they are counted only if they were seen. A file that is rewritten in place is noticed by its
// size, its modification time and the bytes before the position; content that equals the old in all of these is not. A
// file that was deleted while its descriptor was closed, for there are more files than descriptors, is gone unless it was
// compressed. So is the rest of a file behind a link that was swapped while nothing was running, unless a glob matches the
// file's own name. Lines that are written to a renamed file after its grace period are found only if a glob matches its new name.
//
// A file that was rotated away before its path was first seen is read if it was made since the source last looked around
// (active.go), and a file is at its path again. One that was compressed as well is read only if files of its path are known
// (missed.go), or if all of that happened while nothing was running. Where what is beside a path that is new can't be
// told yet because lines of its files are on their way to a spool that takes none, and the source is killed, what was rotated
// away from there while nothing was running before may be left out.
//
// A file with a rotated name (app.log.1) that holds nothing but the beginning of app.log counts as a copy of it, and is not
// read as long as that is so. Where the truncated file itself is gone before its truncation was noticed, and less than 1 KiB
// of it was read, or the spool was lost, its copy can't be told from a file of its own, and is read.
//
// # Words
//
// A generation is one file from its creation to its end. A lineage is a path with the generations that stood there. A
// sibling is a file beside a path with a rotated name of it (app.log.1, app-20260101.log, app.log.1.gz).
//
// # Layout
//
//	config.go, section.go, template.go   what is tailed, and into which log
//	source.go                            New, and Run, whose goroutine is the conductor
//	reconfigure.go                       other sections for a source that runs
//	explain.go, obstacle.go, warnings.go what people want to know: is this file read, and why not
//	rehearsal.go                         the source that finds that out, and reads nothing
//	walk.go, scan.go                     the globs, and what follows from their evaluation
//	errand.go                            looking through a folder, once for all who ask
//	watch.go, poll.go, sweep.go          events, regular looks at known files, forgetting those that are gone
//	lineage.go, identify.go              which file at which name is which generation
//	siblings.go, rotation.go             what is beside a path, by its names
//	copies.go, packed.go, active.go      copies, compressed files, and which files are old
//	packedfile.go                        reading what is in a compressed file
//	compare.go, succession.go            is it a copy, and what takes whose place
//	missed.go                            compressed files that hold what nobody has read
//	past.go                              files that are gone, and known on
//	deleted.go, losses.go                the end of deleted files, and what is lost
//	stop.go                              the last half second
//	stat.go, probe.go, checkpoint.go     what a file is known by, and how it is stored
//	generation.go, order.go              the state of one file, and who must wait for whom
//	queue.go, reader.go, deliver.go      ready files, and the workers that read them and have blocks made
//	held.go                              events that may still grow, and positions that moved without a batch
//	batch.go, commit.go, register.go     the way into the spool
//	resume.go                            going on after the loss of the spool
//	descriptors.go, folder.go, stats.go  limits, caches, counters
//
// Three kinds of goroutine share a Source: the conductor owns what files there are; a worker holds one generation at a
// time and owns its position; a committer waits for the spool. What they share of a generation is guarded by Source.mu.
package tail
