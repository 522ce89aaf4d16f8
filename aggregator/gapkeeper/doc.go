// Package gapkeeper keeps the ledger of what the index does not have, while the
// aggregator works: it writes what the index dropped into the gap files beside the
// archive, and a heartbeat with a watermark, so that a kill loses none of it
// either. Package archive/gaps is the ledger itself; package backfill heals it.
//
// What must hold:
//
//   - Before an object is stored, its window is known here (Open). The watermark
//     stays before the oldest window whose objects the index has not settled, and
//     before the oldest gap that is not written yet. So everything that a killed
//     process knew and had not written was sealed behind its watermark.
//   - A heartbeat that nobody renews becomes gaps: at the next start under the same
//     name, or by another aggregator after Timing.Dead.
//   - It holds nothing up. What cannot be written waits in memory, bounded, and
//     is noted more widely when that is full.
//
// A clock that is set back between two heartbeats, and a kill before the next
// one, is what it cannot see.
package gapkeeper
