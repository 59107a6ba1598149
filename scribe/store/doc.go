// Package store writes logs to files below a root folder and remembers, in a ledger, what of them is durable. It knows
// files, blocks and the ledger, nothing of the network.
//
// # Invariants
//
//   - A line is committed when the bytes of its file are synced and, after that, the ledger's transaction with the new
//     size and sequence is. Only then does Committed report it.
//   - What the ledger does not know of is not there: at Open, and after any failure of a log, its files are cut back to
//     the committed state. Such bytes were never acknowledged; their producer sends them again.
//   - For a producer and log, lines are appended in the order of their sequences, each once: what is appended already
//     is skipped, a gap is refused unless the producer no longer holds what is missing.
//   - A file never exceeds the maximal size, unless a single line does, or a single frame; neither is ever parted.
//   - A file of frames consists of whole frames. If others have cut or changed it, its log goes on in a new file.
//   - With rotation by time a file holds lines of one period only, as the wall clock showed when they were written. A file
//     without lines is never rotated.
//   - Names of rotated files rise strictly within a log, whatever the clock does, and are never used twice.
//   - The checkpoint of an agent's source is committed in the transaction that commits its block's last line.
//   - Only rotated files whose rotation is committed, of logs that the ledger knows, are ever deleted or compressed, the
//     oldest first. Other files are never touched.
//   - A plain file is removed only once its compressed copy is synced, has been read back, and has its final name durably.
//   - A log that fails fails alone.
//   - A sync that fails is never tried again on the same descriptor: the kernel may have dropped what it could not write.
//   - A root is never begun anew where another one is expected; see Options.Notes.
//   - One process at a time: Open locks the ledger. Nothing outside the root is ever touched (os.Root).
//
// # Commit
//
// Appends write to the files at once. One committer goroutine works in rounds that all waiting callers share: it takes
// a snapshot of every log that changed, syncs the files and folders in parallel, stores the new sizes and sequences in
// one ledger transaction and wakes the callers. While a round syncs, the next one gathers.
//
// # Form
//
// A log's files are plain, or they consist of zstd frames; its policy says which. A frame holds the lines of one block. What
// an agent has compressed with zstd goes into the file as it came: such bytes are compressed once, at their source, and are
// read here for their checksum alone. The blocks of other codecs, direct calls, and what is left of a block whose first
// lines are committed already become frames here. All sizes, in Policy and in the ledger, count compressed bytes. Commits are made
// between frames, so that recovery cuts back to the end of one. A reader may meet the last frame while it is being written,
// as it may meet a part of a line in a plain file.
//
// That a payload is a frame which every tool reads, of the size that it should have, is checked by its structure (see
// block.Frame); if it is not, it is decoded, which tells whether it is sound, and becomes another frame. So nothing of a
// client can end within a frame, or follow on one. Whether a frame can be decoded, and to how many lines, is not checked. The
// frame of a client that errs there makes its own log's file unreadable from there to the end of the file, and no other.
//
// When a log's active file has another form than its policy wants, its next use ends the file with a rotation, and begins
// one in the other form: rename, sync the folder, then one transaction with the rotation and the form. Until that is
// committed, recovery undoes it. Only then the new file is made. What others have put where it is to be gets a rotated
// file's name first.
//
// # Rotation
//
// A rotation renames the active file and starts a new one; it becomes durable with the next round, as the appended
// bytes do. So that recovery can tell finished rotations from those to be undone, the ledger holds two times for each
// log: rotated, the time in the name of the last committed rotation, and reserved, up to which time names may have been
// used. Rotated files named in (rotated, reserved] are not committed: the first of them is the active file as it was,
// and is renamed back; the others hold nothing committed, and are removed. The store reserves a few seconds of names in
// one transaction ahead of using them. Where the ledger is younger than rotated files that it does not know, its first
// reservation takes all of them for committed.
//
// A file's period is that in which its first line was written; the ledger remembers when that was. Writes look at the
// clock, and at the end of a period the keeper, a goroutine, goes once through the ledger to rotate the files of the logs
// that nobody writes to.
//
// # Retention and compression
//
// The keeper learns of rotations as they are committed, and looks at the folders at the start and every minute. It
// deletes what a log's policy does not keep, and, where a volume has too little space, the oldest files of all logs there.
//
// The compressor, another goroutine with the lowest priority, takes the oldest plain file that is due. Its steps: write
// the temporary file and sync it; read it back and compare; rename it; sync the folder; remove the plain file. A crash
// leaves a temporary file, which the next scan removes, or both files: then the copy is compared again, and the plain
// file removed if it is whole. If others have made it and it differs, both stay, and that is said.
//
// Rotated files of frames are named as compressed ones are: retention deletes them, and the compressor skips them.
//
// None of this runs unless a policy asks for it. But every ten minutes the keeper has the ledger forget files that are gone,
// and producers, where Options say so.
//
// # Layout
//
//	<root>/<path>/<filename>.log                               the active file of the log path/filename, if it is plain
//	<root>/<path>/<filename>.log.zst                           the same, if it consists of frames
//	<root>/<path>/<filename>_20060102T150405.000000Z.log       a rotated file
//	<root>/<path>/<filename>_20060102T150405.000000Z.log.zst   a compressed one, or one of frames; or .gz
//	<root>/<path>/.<its name>.tmp                              one that is being compressed
//	<root>/.scribe/ledger.db                                   the ledger; see ledger.go
package store
