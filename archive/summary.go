package archive

import (
	"bytes"
	"encoding/binary"

	"github.com/loghaul/loghaul/archive/parquet"
)

const (
	// maxValues and maxValuesBytes bound the values that a summary lists of a
	// column.
	maxValues      = 16
	maxValuesBytes = 256
)

// Summary is what a reader has to know of an object to tell that it holds no
// line that is looked for.
type Summary struct {
	Meta *Meta
	// Columns has each column that is not null in all rows, by its name.
	Columns map[string]ColumnSummary
	// Blooms has the bits of the columns' bloom filters, by the column's name.
	// They are views of the object.
	Blooms map[string][]byte
}

// ColumnSummary is what is known of the values of one column that are not null.
type ColumnSummary struct {
	// Min and Max bound a column of numbers; nil for any other.
	Min *int64 `json:"min,omitempty"`
	Max *int64 `json:"max,omitempty"`
	// Values are all values of a column of texts in the order of their bytes,
	// nil if there are more than a few.
	Values []string `json:"values,omitempty"`
}

// Summarizer reads summaries. One goroutine may use it at a time.
type Summarizer struct {
	dictionaries *parquet.Dictionaries
}

// NewSummarizer makes a Summarizer.
func NewSummarizer() (*Summarizer, error) {
	d, err := parquet.NewDictionaries()
	if err != nil {
		return nil, err
	}
	return &Summarizer{d}, nil
}

// Summarize reads the summary of an object. It decodes dictionaries and no
// rows; whoever has not made the object reads it with Rows first. Errors are
// those of Open.
func (s *Summarizer) Summarize(object []byte) (*Summary, error) {
	rd, err := Open(bytes.NewReader(object), int64(len(object)))
	if err != nil {
		return nil, err
	}
	out := &Summary{Meta: &rd.meta, Columns: map[string]ColumnSummary{}, Blooms: map[string][]byte{}}
	for i := range rd.footer.Columns {
		c := &rd.footer.Columns[i]
		if c.Nulls == int64(rd.footer.Rows) {
			continue
		}
		sum, err := s.column(c, object)
		if err != nil {
			return nil, corrupt("decode", c.Name, -1, "%w", err)
		}
		out.Columns[c.Name] = sum
		if c.BloomSize == 0 {
			continue
		}
		if out.Blooms[c.Name], err = parquet.Bloom(object[c.BloomAt : c.BloomAt+c.BloomSize]); err != nil {
			return nil, corrupt("bloom filter", c.Name, -1, "%w", err)
		}
	}
	return out, nil
}

func (s *Summarizer) column(c *parquet.FooterColumn, object []byte) (sum ColumnSummary, err error) {
	switch c.Type {
	case parquet.Int32, parquet.Int64:
		sum.Min, sum.Max = number(c.Min), number(c.Max)
	case parquet.ByteArray:
		if c.Logical != parquet.String || c.Start == c.Data {
			break
		}
		texts, err := s.dictionaries.Texts(c, object[c.Start:c.Data])
		if err != nil {
			return sum, err
		}
		sum.Values = few(texts)
	case parquet.Boolean:
	}
	return sum, nil
}

// few gives texts, which are sorted, nil if they are too many.
func few(texts [][]byte) (values []string) {
	if len(texts) > maxValues || len(bytes.Join(texts, nil)) > maxValuesBytes {
		return nil
	}
	for _, t := range texts {
		values = append(values, string(t))
	}
	return values
}

// number reads a bound of a number's statistics.
func number(b []byte) *int64 {
	var v int64
	switch len(b) {
	case 4:
		v = int64(int32(binary.LittleEndian.Uint32(b))) //nolint:gosec // bit pattern
	case 8:
		v = int64(binary.LittleEndian.Uint64(b)) //nolint:gosec // bit pattern
	default:
		return nil
	}
	return &v
}
