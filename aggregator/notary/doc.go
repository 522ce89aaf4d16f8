// Package notary makes the manifests of an aggregator: it notes every object
// that the store has confirmed, and lists them, hour by hour, in a signed chain
// of documents (archive/manifest). docs/manifests.md says how it works and how
// to operate it.
//
// What must hold:
//
//   - Every stored object is listed: by whoever stored it, after a crash by the
//     same writer when it starts again, or else by another aggregator.
//   - A manifest continues the newest one of its chain, which determines its key.
//     Stores are create-only, so a chain cannot fork; whoever comes second reads
//     what the first has written and goes on behind it.
//   - Nothing that stores lines waits for the notary. If manifests cannot be
//     written, objects wait for them, as keys and checksums when they get many.
//   - The clock may step: an object that was sealed before its chain ends is late
//     and goes into a supplement; one that was sealed in the future takes the end
//     of the chain there.
package notary
