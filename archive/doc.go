// Package archive is the object format of the archive: it makes objects out of
// batches of raw log lines and reads them again. An object is an ordinary
// Parquet file with one typed column per field that HAProxy printed. The raw
// bytes are not stored beside them: they are rendered from the columns. Only
// a line that does not render back keeps its bytes, in the column raw.
//
// What must hold:
//
//   - An Object that Encode returned gives every byte back. Encode has decoded
//     it with another library's Parquet reader, rendered each row and compared
//     it with the bytes received, and has checked what the footer claims.
//   - Every line keeps its identity: source and offset.
//   - Reading never panics and never allocates what a corrupt object claims
//     before the claim has been checked against the object's size.
//
// The package does no I/O besides io.ReaderAt and knows no clock. The format is
// described in docs/formats/archive.md.
package archive
