package archive

import (
	"fmt"

	"github.com/loghaul/loghaul/archive/parquet"
)

// CheckFooter decodes all columns of an object and recomputes what its footer
// says about their values: null counts, bounds, bloom filters and times. Whoever
// leaves objects out relies on that, and Rows never looks at it. It reads the
// whole object; the errors are those of Rows.
func (rd *Reader) CheckFooter() (err error) {
	file := make([]byte, rd.size)
	if n, err := rd.r.ReadAt(file, 0); n != len(file) {
		return fmt.Errorf("reading an object of %d bytes: %w", rd.size, err)
	}
	footer, err := parquet.ReadFooter(rd.r, rd.size)
	if err != nil {
		return footerError(err)
	}
	if err := footer.CheckPages(file); err != nil {
		return corrupt("pages", "", -1, "%w", err)
	}
	v := verifier{renderer: newRenderer(rd.plans), defs: rd.defs, version: rd.meta.Version}
	defer recovered(&err, "decode")
	defer v.release()
	if err := v.open(file, rd.defs, rd.meta.Version, rd.meta.Lines); err != nil {
		return err
	}
	return v.checkFooter()
}
