// Package backfill makes the index whole again from the archive: it reads the
// ledger of gaps (archive/gaps), reads the objects that these name, indexes exactly
// the rows that are missing, and takes what is done off the ledger. The command
// `loghaul backfill` and the aggregator use the same Engine.
//
// What must hold:
//
//   - A gap leaves the ledger only after its rows are in the index, are left out by
//     the index's rules, or have expired with their object. What remains of a file is
//     written before the file is removed.
//   - It can be killed at any point, and any number of them may run at once: whatever
//     is done twice meets its own documents, which have the ids of the lines.
//   - Live lines come first: Index.Fill waits for them.
package backfill
