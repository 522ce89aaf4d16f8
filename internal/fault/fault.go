// Package fault is how tests damage what a component has made before the
// component looks at it again. Nothing else fills these in.
package fault

// Object damages objects of the archive.
type Object struct {
	// File is given each Parquet file that an encoder made, and gives what the
	// encoder then reads back and stores. It may change its argument. It may
	// panic, as a defect would.
	File func(file []byte) []byte
}
