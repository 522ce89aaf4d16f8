package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

// start is the date of the first line.
var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

// spec is option httplog with the unique id behind the date.
const spec = `%ci:%cp [%tr] %{+Q}ID %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r`

// needleIP is a client that three lines of the archive are of. All addresses have
// as many characters, and so have unique ids.
const needleIP = "30.100.100.177"

// rests are the real lines from behind the date on.
func rests(path string) ([][]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if b, err = d.DecodeAll(b, nil); err != nil {
		return nil, err
	}
	var all [][]byte
	for line := range bytes.Lines(b) {
		if i := bytes.IndexByte(line, ']'); i > 0 && line[len(line)-1] == '\n' && line[len(line)-2] == '"' {
			all = append(all, line[i+1:])
		}
	}
	if len(all) < 1000 {
		return nil, fmt.Errorf("%s has %d lines of httplog", path, len(all))
	}
	return all, nil
}

// generator makes the lines of object i: of four nodes, 1,000 lines a second.
type generator struct {
	rests   [][]byte
	objects int
	object  int // lines of one
}

const nodes = 4

// lines gives the lines of object i by node, in order.
func (g *generator) lines(i int) (texts [nodes][]byte) {
	random := rand.New(rand.NewPCG(uint64(i), 10)) //nolint:gosec // repeatable
	from := random.IntN(len(g.rests))
	for n := range g.object {
		node := n % nodes
		at := start.Add(time.Duration(i*g.object+n) * time.Millisecond)
		b := texts[node]
		c := clientOf(random)
		if g.isNeedle(i, n) {
			c = -1
		}
		b = append(append(b, address(c)...), ':')
		b = strconv.AppendInt(b, int64(1024+random.IntN(64000)), 10)
		b = at.AppendFormat(append(b, " ["...), "02/Jan/2006:15:04:05.000")
		b = append(append(append(b, "] \""...), uniqueID(i, n, at)...), '"')
		texts[node] = append(b, g.rests[(from+n)%len(g.rests)]...)
	}
	return texts
}

// isNeedle reports whether line n of object i is of needleIP.
func (g *generator) isNeedle(i, n int) bool {
	return n == g.object/2 && (i == g.objects/3 || i == g.objects/2 || i == g.objects*9/10)
}

// uniqueID is made of time, process and counter, as HAProxy's manual proposes it.
func uniqueID(object, n int, at time.Time) string {
	return fmt.Sprintf("%08X:%04X:%08X", at.Unix(), n%nodes+1, object*1_000_003+n)
}

// regulars is how many clients half of the lines are of; the others are of some
// of three million.
const regulars = 3000

func clientOf(random *rand.Rand) int {
	if random.IntN(2) == 0 {
		return int(regulars * random.Float64() * random.Float64())
	}
	return regulars + random.IntN(155*155*155)
}

// address gives the address of a client; -1 is the needle.
func address(c int) string {
	switch {
	case c < 0:
		return needleIP
	case c < regulars:
		return fmt.Sprintf("20.100.%d.%d", 100+c/150, 100+c%150)
	}
	c -= regulars
	return fmt.Sprintf("10.%d.%d.%d", 100+c/155/155, 100+c/155%155, 100+c%155)
}
