// Package spool is the agent's durable queue: blocks of lines wait in it, on local disk, until a receipt says that they
// are safe on a Scribe's disk. It knows blocks and checkpoints, nothing of files or of the network.
//
// # Invariants
//
//   - A batch is stored whole or not at all: its blocks and the checkpoints that they reach go into one transaction,
//     synced before Append returns. So a source that resumes at its checkpoint neither skips nor repeats a line.
//   - Lines get their positions at Append, in the order of the calls: by log, from 1, without holes, never twice. With the
//     producer that they have then, they give the sequences that the lines have for others.
//   - No two lines have the same producer and sequence, whatever happens to the file: see "Copies" and "Limitations".
//   - A stored block never changes. It leaves when it is settled, when it is set aside because it is damaged or no Scribe
//     takes it, or when the operator chose to drop the oldest blocks rather than to wait; what is set aside or dropped is
//     counted in the log's record and in the list of losses, for good, in the transaction in which it leaves: as dropped,
//     damaged or refused. What was dropped and not logged before a kill is logged at the next Open. A line that was on its
//     way when it was dropped, and that a receipt covers, is taken off that count again.
//   - What a source has lost enters the list of losses with the checkpoint that passes over it. The list, with a bounded
//     number of entries and sums that forget nothing, lives as long as the spool: it goes with a compaction and a repair.
//     A spool that takes the place of one that was set aside, or emptied, begins with an entry about that.
//   - What is set aside is durable in the quarantine before it leaves the queue.
//   - Settling is lazy: it rides on the next transaction, or follows shortly. A crash before that makes settled blocks
//     come again, which the Scribe recognises by their sequences.
//   - The files take no more of the disk than Options.MaxSize, counted in real bytes: pages that are free or filled in
//     part, the reserve, and a compaction's new file included. See space.go.
//   - What is settled can leave, however full the spool or its disk: the reserve is allocated before it is needed.
//   - A disk that is full or fails makes Append wait, and is never its error. Nothing is stored twice by trying again.
//   - A log that is not settled leaves room for others: it waits while it holds more than four times what is free. No
//     batch holds up those of other logs.
//   - A file that is mostly free is written anew, smaller, while the spool goes on. See compact.go.
//   - Memory does not grow with the backlog, but for bbolt's list of free pages: some 20 bytes for each page of 4 KiB
//     that was drained and not given back yet.
//   - One process at a time: Open locks the file itself, so that nothing is left behind by a process that was killed. Those
//     that only read it (Verify, Export, ReadCheckpoints) share it among them; who must wait for their end, or is refused,
//     is told by whom.
//   - A damaged file is refused, repaired or set aside when it is opened, as the operator chose. It never crashes the
//     process, and what is sound in it can be read: see "Damage".
//
// # Layout
//
// A spool is one bbolt file (go.etcd.io/bbolt) with five buckets. Integers are big-endian.
//
//	meta         "version" -> 1 byte, the version of this layout, 4
//	             "producer" -> 16 bytes, the identity of the lines that are stored now (UUID)
//	             "spare" -> 16 bytes, the producer of lines that this process stores and has no leave to send (UUID)
//	             "since" -> 8 bytes, when the list of losses was begun, nanoseconds since 1970 UTC
//	             "origin" -> origin record (see origin.go): where the file was when it was opened the last time
//	queues       log name -> queue record (see queue.go): the log's number, its positions and producers, what it holds
//	blocks       log number, 4 bytes, and first position, 8 bytes -> bucket of the block, in which the same key leads to
//	             the block record (see blocks.go and record.go). The bucket's counter tells the record's length (see
//	             single.go of package bolttree); earlier releases left it 0. Up to version 2 the record did not name its log and
//	             producer; in version 1 it stood there itself.
//	checkpoints  key of the source -> value of the source
//	losses       reason, log and file -> loss record (see loss.go). Layouts before 4 have none: Open begins it with what the
//	             logs' records have counted. A release that did not know it would let lines go without an entry.
//
// Keys of the blocks of one log lie together and in order, so that reading a log's oldest blocks needs one seek and no
// index in memory, however large the backlog.
//
// Beside the file may stand, with its path and a suffix:
//
//	.compact          the new file of a compaction under way; Open removes a leftover
//	.quarantine       a folder with a file for each block that was set aside (see quarantine.go)
//	.damaged-TIME     a damaged file, as it was before it was repaired or set aside
//	.repair           the new file of a repair under way
//	.replaced-TIME    a file that somebody had put at the path while the spool was in use
//	.left-TIME        the spool itself, since another agent's spool stands at its path
//
// # Copies
//
// Files are copied, restored from backups, and cloned with their disks. If the copy numbered its lines as the original
// does, a Scribe would take one's lines for the other's and drop them. So a spool takes a new producer for new lines
//
//   - at Open, if the file is not the one, or the host's boot not the same, that the origin names;
//   - when a receipt tells of more lines than the file held at Open: an earlier state was put back in its place, and the
//     lines that were stored meanwhile were sent. To see that in time, the lines that a process stores in a log wait for
//     the log's first receipt, and for what it shows to be stored. That costs one round trip for each log and process.
//
// Lines that never got leave to be sent before the process ended have the spare producer from then on, the same in all
// copies of the file. Lines that the file already held keep their names, so that a backlog that two copies share arrives
// once.
//
// # Damage
//
// A damaged block is found when it is read, and costs itself alone: the shipper has it set aside. So does damage to a page
// that belongs to one block alone, as those of large ones do, and one that the disk can't read; if only what bbolt keeps there
// is damaged, it is made good, and nothing is lost. Damage elsewhere is found by Open: of bbolt's pages by package boltfile, of a log's record by its checksum
// and by the keys of its blocks.
//
// Repair then writes a new file of all that can be read. It reads without bbolt (see survey.go): the newest tree, and
// where that has gaps all pages, byte by byte where nothing else is left of their structure. A block is kept only if its
// checksum fits the place that it has by its key. Each block names its log and its producer, so where no copy of a log's
// record is left, or only an older one, it is derived from the log's blocks (see rebuild.go). Lines that are lost leave their positions empty; when their turn comes
// they are counted as set aside. The new file has another origin, so that its new lines get a new producer.
//
// Another page that is damaged while the file is open ends all transactions from then on: see Failed. So does a file that was
// cut, or over which another program has written, which shows in its headers: they are looked at before each transaction,
// and once in a second. What stood in such a file is lost as far as it was overwritten, and that may include lines that
// were stored a moment before.
//
// # Use
//
// Tools call Inspect, Verify, Repair and Export.
//
// Sources call Append, from as many goroutines as they like: concurrent calls share a transaction. A source
// bounds what it has read and can't store yet. One shipper waits on Appended, takes what TakeAppended tells,
// reads blocks with Read, settles them with Acknowledge, and sets aside with SetAside what can't be shipped.
//
// # Limitations
//
//   - The file may be copied while the spool is open only as a snapshot of one instant. What was stored in it after Open
//     and before the first receipt of its log may then be sent by both copies under different producers, and stand twice.
//   - An earlier state that is put back in place shows by what was stored after it and has arrived. If nothing of it has
//     when the first receipt of the log comes, new lines get its numbers. So whoever puts an earlier state back must give
//     up what came after it: of a later copy, or of the later state put back in turn, as many lines as were sent meanwhile
//     would be taken for lines that have arrived.
//   - If a copy drops or sets aside lines of a backlog that it shares, and ships what follows before the original has
//     shipped them, the Scribe takes them for gone, and says so.
//   - A host that is set back to an earlier instant with all its memory does not open the file anew. Its lines get a new
//     producer once a receipt tells of more than it has stored; those before may be taken for the lines they replace.
//   - The quarantine has no limit, and MaxSize does not count it.
//   - A batch that is larger than the whole spool is stored when the spool is empty, and the file then exceeds its size
//     until it is drained. Under SmallestFor no batch is; the agent refuses a smaller size for what its sources read at
//     once. What is kept beside blocks, the checkpoints of very many files, counts, but is never refused.
//   - A log's record that Repair derives from blocks does not know
//     that lines got another producer, because others wrote on under theirs, if no block is left that was stored later: then
//     these lines may be taken for the others'. Blocks that had left already may come again, if their bytes are still there:
//     the Scribe skips them, Export writes them. Blocks of layouts before 3 do not name their log, and are lost with its record.
//   - With so many logs stuck that what is left free is smaller than a batch, others wait too.
//   - The pages of a block have to lie in one run. In a spool that is almost full, a large block may wait although
//     smaller runs add up to its size, at the longest until all others have left: then the file is written anew.
//   - While more than 4096 pages are free in the file, 16 MiB or in a large spool 64, and the pages of all blocks were looked
//     at, or a disk fails, bbolt looks at all pages in a goroutine of its own when a transaction fails. If another program cuts the file or writes garbage over it just then, the process crashes.
//   - On systems other than Linux, and where the file system can't allocate ahead of writing (fallocate) or never
//     overwrites blocks in place, a full disk shows within a transaction, which then fails whole and is tried again;
//     and settling may have to wait for the disk.
//   - A repair needs room for a second file, whatever MaxSize says, and the damaged one stays until somebody removes it.
//   - While the file is lost and its copy not yet in place, the disk holds both, whatever MaxSize says.
package spool
