// Package manifest is the proof that an archive is complete and unchanged:
// documents that list every object of a stretch of time, each naming the one
// before it, signed with Ed25519. It holds the format, written and read side by
// side, and no I/O. docs/formats/manifest.md describes it.
//
// What must hold:
//
//   - The manifests of one writer are a chain. Number n+1 has the hash of number
//     n, and begins where that ended: the chain covers a time without a hole.
//   - The key of number n+1 is determined by number n. Stores are create-only, so
//     of two that continue a chain at once only one can.
//   - Every object is in one manifest at least. One sealed before a manifest
//     ended, and not in it, is late and in one of those that follow.
//   - A manifest says of each object enough to tell what it can not hold.
package manifest
