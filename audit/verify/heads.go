package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/loghaul/loghaul/archive/manifest"
)

// ReadHeads reads the newest manifests of all chains from what an earlier run
// printed as lines of JSON. Whoever keeps that elsewhere finds chains that were
// cut back: nothing in the bucket need tell of it.
func ReadHeads(from io.Reader) (heads []manifest.Head, err error) {
	ended := false
	for d := json.NewDecoder(from); ; {
		var line struct {
			Chain *Chain          `json:"chain"`
			Total json.RawMessage `json:"total"`
		}
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("not what audit verify --output json prints: %w", err)
		}
		if c := line.Chain; c != nil && c.Head != nil {
			heads = append(heads, manifest.Head{Writer: c.Writer, Link: *c.Head})
		}
		ended = line.Total != nil
	}
	if !ended {
		return nil, errors.New("not what audit verify --output json prints, or not all of it: no total at its end")
	}
	return heads, nil
}
