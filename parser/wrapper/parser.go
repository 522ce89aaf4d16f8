package wrapper

import "github.com/loghaul/loghaul/parser"

// Parser reads lines that may be wrapped: it is a Splitter and a parser.Set that decide together. One goroutine may use
// it at a time.
//
// With a fixed kind a line of its grammar is wrapped, any other one is bare. With Auto, in this order:
//
//  1. A line that no grammar matches is bare.
//  2. A line is wrapped if a format matches its message, the longest header first. Should a format match the line as it
//     stands too, which takes one that begins with free text, the line is bare if an earlier line of the source was:
//     it had no header, and a format matched. So nobody can have a line of a bare source taken for a wrapped one by
//     what he puts in front.
//  3. A line is bare if a format matches it as it stands.
//  4. Otherwise the longest header counts, and the message is of no known format.
type Parser struct {
	Splitter
	set  *parser.Set
	bare bool // the source has bare lines
}

// NewParser returns a Parser that tries the formats of set. kind and zone are those of NewSplitter.
func NewParser(set *parser.Set, kind Kind, zone *parser.Zone) *Parser {
	return &Parser{Splitter: *NewSplitter(kind, zone), set: set}
}

// Start begins a new source: what was learned from the lines before does not count.
func (p *Parser) Start() { p.bare = false }

// Parse reads a line into h and r. It gives the message, which is line itself for a bare one, and the index in the set
// of the format that matches it, or -1.
func (p *Parser) Parse(line []byte, r *parser.Record, h *Header) (message []byte, format int) {
	if !p.begins(line) {
		return p.parseBare(line, r, h)
	}
	n := p.Cuts(line)
	if n == 0 {
		return p.parseBare(line, r, h)
	}
	if p.bare && p.kind == Auto {
		if format = p.set.Parse(line, r); format >= 0 {
			h.reset()
			return line, format
		}
	}
	if message, format = p.parseCuts(n, r, h); format >= 0 {
		return message, format
	}
	if !p.bare && p.kind == Auto {
		if format = p.set.Parse(line, r); format >= 0 {
			h.reset()
			return line, format
		}
	}
	return p.Cut(0, h), -1
}

func (p *Parser) parseBare(line []byte, r *parser.Record, h *Header) (message []byte, format int) {
	if h.Kind != None || h.Severity >= 0 {
		h.reset()
	}
	r.Header = 0
	format = p.set.Parse(line, r)
	if format >= 0 {
		p.bare = true
	}
	return line, format
}

// parseCuts tries the n ways to cut the text that was given to Cuts.
func (p *Parser) parseCuts(n int, r *parser.Record, h *Header) (message []byte, format int) {
	for i := range n {
		if p.cuts[i].open {
			continue
		}
		message = p.text[p.cuts[i].at:]
		r.Header = p.cuts[i].at
		if format = p.set.Parse(message, r); format >= 0 {
			return p.Cut(i, h), format
		}
	}
	return nil, -1
}

// ParseCut reads a message that Parse found no format for as one whose end is missing, see parser.Set.ParseCut.
func (p *Parser) ParseCut(message []byte, r *parser.Record) (format int) {
	return p.set.ParseCut(message, r)
}

// ParseEntry reads an entry of the journal, see ScanEntries. ok is false if it is none.
func (p *Parser) ParseEntry(entry []byte, r *parser.Record, h *Header) (message []byte, format int, ok bool) {
	if !p.journal(entry) {
		return nil, -1, false
	}
	if message, format = p.parseCuts(p.n, r, h); format >= 0 {
		return message, format, true
	}
	return p.Cut(0, h), -1, true
}
