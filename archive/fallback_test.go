package archive

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/loghaul/loghaul/internal/fault"
	"github.com/loghaul/loghaul/internal/wire"
)

// TestNoFlippedByteLeavesTheEncoder flips a byte of the file between encoding
// and reading back: anywhere, also where no reader looks.
func TestNoFlippedByteLeavesTheEncoder(t *testing.T) {
	raw := readCorpus(t, corpusDir+"/dates-paris-spring/httplog.log")
	batches := cut(1, raw, 64<<10)
	random := rand.New(rand.NewPCG(1, 2))
	e := newEncoder(t, wellKnown(t)...)
	e.options.Fault = &fault.Object{File: func(b []byte) []byte {
		b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
		return b
	}}
	for range 100 {
		if _, err := e.Encode(batches, sealed); !errors.Is(err, ErrUnverified) {
			t.Fatalf("error %v, want ErrUnverified", err)
		}
		if _, err := e.EncodeRaw(batches, sealed); !errors.Is(err, ErrUnverified) {
			t.Fatalf("the fall-back: error %v, want ErrUnverified", err)
		}
	}
	e.options.Fault = nil
	o, err := e.Encode(batches, sealed)
	if err != nil || o.Unparsed > 0 || !bytes.Equal(readBack(t, o.Body), raw) {
		t.Errorf("afterwards: %v", err)
	}
}

// TestEncodeRaw makes objects of lines of every kind whatever the columns do.
func TestEncodeRaw(t *testing.T) {
	e := newEncoder(t, wellKnown(t)...)
	rest := batch(3, 100, []byte("the rest of a line\n"+nasty))
	rest.Header.Rest, rest.Header.Labels = true, wire.Labels{{Key: "cluster", Value: "eu"}}
	joined := batch(4, 0, []byte("2026-11-22T16:17:55.857Z stdout P 1.2.3.4:\n2026-11-22T16:17:55.858Z stdout F 5 [\n"))
	for name, batches := range map[string][]Batch{
		"httplog": cut(1, readCorpus(t, corpusDir+"/dates-paris-spring/httplog.log"), 10<<10),
		"nasty":   {batch(2, 0, []byte(nasty))},
		"rest":    {rest},
		"joined":  {joined},
		"long":    {batch(5, 0, bytes.Repeat([]byte("x"), 3<<20))},
	} {
		t.Run(name, func(t *testing.T) {
			var raw []byte
			for i := range batches {
				raw = append(raw, batches[i].Raw...)
			}
			o, err := e.EncodeRaw(batches, sealed)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readBack(t, o.Body), raw) {
				t.Error("it gives other bytes back")
			}
			if !o.Fallback || o.Lines != wire.CountRecords(raw) || o.Unparsed+o.Rests != o.Lines || o.RawBytes != int64(len(raw)) {
				t.Errorf("%d lines, %d unparsed, %d rests of %d bytes", o.Lines, o.Unparsed, o.Rests, o.RawBytes)
			}
			r, err := Open(bytes.NewReader(o.Body), int64(len(o.Body)))
			if err != nil {
				t.Fatal(err)
			}
			if m := r.Meta(); !m.Fallback || len(m.Formats) > 0 {
				t.Errorf("metadata %+v", m)
			}
			askRandomly(t, o.Body, 30, 3)
		})
	}
}

// TestEncoderThatPanics does what a defect of the parser or of a column may.
func TestEncoderThatPanics(t *testing.T) {
	raw := readCorpus(t, corpusDir+"/dates-paris-spring/httplog.log")
	batches := cut(1, raw, 64<<10)
	e := newEncoder(t, wellKnown(t)...)
	e.breakTable = func(tb *table) { tb.columns[colServer].chunk.Texts.Ends[0] = 1 << 30 }
	if _, err := e.Encode(batches, sealed); !errors.Is(err, ErrUnverified) {
		t.Fatalf("error %v, want ErrUnverified", err)
	}
	e.breakTable = nil
	o, err := e.Encode(batches, sealed)
	if err != nil || o.Unparsed > 0 || !bytes.Equal(readBack(t, o.Body), raw) {
		t.Errorf("afterwards: %v", err)
	}
}
