package parquet

// The footer's structs, with the field numbers of parquet.thrift.

func (f *Footer) read(r *thriftReader) {
	chunks, seen, group := 0, 0, false
	r.fields(0, func(id int16, typ byte) bool {
		switch id {
		case 2:
			r.structs(typ, func(i int) { f.element(r, i) })
			seen++
		case 3:
			f.Rows = r.count(typ)
			seen++
		case 4:
			r.structs(typ, func(i int) {
				if i > 0 {
					r.fail("more than one row group")
					return
				}
				group = true
				chunks = f.rowGroup(r)
			})
			seen++
		case 5:
			r.structs(typ, func(int) { f.keyValue(r) })
		case 8, 9:
			r.fail("encryption")
		default:
			return false
		}
		return true
	})
	want := len(f.Columns)
	if f.Rows == 0 {
		want = 0
	}
	if r.err == nil && (seen != 3 || chunks != want || group != (f.Rows > 0)) {
		r.fail("schema and column chunks do not match")
	}
}

// structs calls fn for each element of a list of structs.
func (r *thriftReader) structs(typ byte, fn func(i int)) {
	if !r.want(typ, typeList) {
		return
	}
	elem, n := r.list()
	if n > 0 && !r.want(elem, typeStruct) {
		return
	}
	for i := 0; i < n && r.err == nil; i++ {
		fn(i)
	}
}

// number reads an i32 or i64.
func (r *thriftReader) number(typ byte) int64 {
	if typ != typeI32 && typ != typeI64 {
		r.fail("unexpected type of a field")
		return 0
	}
	if typ == typeI32 {
		return int64(r.int32())
	}
	return r.int()
}

// count reads a number of things that is at most maxRows.
func (r *thriftReader) count(typ byte) int {
	v := r.number(typ)
	if v < 0 || v > maxRows {
		r.fail("count out of range")
		return 0
	}
	return int(v)
}

func (r *thriftReader) view(typ byte) []byte {
	if !r.want(typ, typeBinary) {
		return nil
	}
	return r.bytes()
}

// element reads SchemaElement i; 0 is the root.
func (f *Footer) element(r *thriftReader, i int) {
	var c Column
	c.Type = -1
	children := 0
	converted := int64(-1)
	r.fields(1, func(id int16, typ byte) bool {
		switch id {
		case 1:
			c.Type = Type(r.number(typ)) //nolint:gosec // compared below
		case 3:
			c.Optional = r.number(typ) == 1
		case 4:
			c.Name = string(r.view(typ))
		case 5:
			children = r.count(typ)
		case 6:
			converted = r.number(typ)
		default:
			return false
		}
		return true
	})
	if i == 0 {
		f.Root = c.Name
		return
	}
	switch {
	case children != 0:
		r.fail("a nested schema")
	case c.Type != Boolean && c.Type != Int32 && c.Type != Int64 && c.Type != ByteArray:
		r.fail("unknown type of a column")
	case converted == 0:
		c.Logical = String
	case converted == 9:
		c.Logical = TimestampMillis
	}
	f.Columns = append(f.Columns, FooterColumn{Column: c})
}

func (f *Footer) rowGroup(r *thriftReader) (chunks int) {
	r.fields(1, func(id int16, typ byte) bool {
		switch id {
		case 1:
			r.structs(typ, func(i int) {
				if i >= len(f.Columns) {
					r.fail("more column chunks than columns")
					return
				}
				f.chunk(r, &f.Columns[i])
				chunks++
			})
		case 3:
			if r.count(typ) != f.Rows {
				r.fail("rows of file and row group differ")
			}
		default:
			return false
		}
		return true
	})
	return chunks
}

func (f *Footer) chunk(r *thriftReader, c *FooterColumn) {
	meta := false
	r.fields(2, func(id int16, typ byte) bool {
		switch id {
		case 1:
			r.fail("a column in another file")
		case 3:
			if r.want(typ, typeStruct) {
				f.columnMeta(r, c)
				meta = true
			}
		case 4, 5, 6, 7: // page indexes, which the Writer does not make
			r.fail("a page index")
		case 8, 9:
			r.fail("encryption")
		default:
			return false
		}
		return true
	})
	if r.err == nil && !meta {
		r.fail("a column chunk without metadata")
	}
}

func (f *Footer) columnMeta(r *thriftReader, c *FooterColumn) {
	dictionary := int64(0)
	r.fields(3, func(id int16, typ byte) bool {
		switch id {
		case 1:
			if Type(r.number(typ)) != c.Type { //nolint:gosec // compared
				r.fail("types of schema and chunk differ")
			}
		case 3:
			if !r.want(typ, typeList) {
				return true
			}
			if elem, n := r.list(); n != 1 || elem != typeBinary || string(r.bytes()) != c.Name {
				r.fail("names of schema and chunk differ")
			}
		case 4:
			c.Codec = int32(r.count(typ)) //nolint:gosec // bounded
		case 5:
			if r.count(typ) != f.Rows {
				r.fail("rows of file and chunk differ")
			}
		case 6:
			c.Uncompressed = r.number(typ)
		case 7:
			c.Size = r.number(typ)
		case 9:
			c.Data = r.number(typ)
		case 10:
			r.fail("an index page")
		case 11:
			dictionary = r.number(typ)
		case 12:
			if r.want(typ, typeStruct) {
				c.statistics(r)
			}
		case 14:
			c.BloomAt = r.number(typ)
		case 15:
			c.BloomSize = r.number(typ)
		default:
			return false
		}
		return true
	})
	c.Start = c.Data
	if dictionary > 0 {
		c.Start = dictionary
	}
}

func (c *FooterColumn) statistics(r *thriftReader) {
	r.fields(4, func(id int16, typ byte) bool {
		switch id {
		case 3:
			c.Nulls = r.number(typ)
		case 5:
			c.Max = r.view(typ)
		case 6:
			c.Min = r.view(typ)
		default:
			return false
		}
		return true
	})
}

func (f *Footer) keyValue(r *thriftReader) {
	var kv KeyValue
	r.fields(1, func(id int16, typ byte) bool {
		switch id {
		case 1:
			kv.Key = string(r.view(typ))
		case 2:
			kv.Value = string(r.view(typ))
		default:
			return false
		}
		return true
	})
	f.Metadata = append(f.Metadata, kv)
}
