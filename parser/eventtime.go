package parser

// Time returns the time of the event in Unix milliseconds and its offset from UTC in seconds: when the request began
// (%tr, %trg, %trl) or else when the connection was accepted (%t, %T, %Tl, %Ts with %ms). ok is false when the record
// has no date.
//
// A date without an offset (%tr, %t) is resolved by z, unless the record has the same date in another form, too. Where
// the clocks of the zone were set back the same date happens twice, and z decides; TimeUnsure is set if it cannot, and
// then the time is the first of the two. TimeUnsure is also set if the zone skipped the date, so that it is not that of
// the machine.
func (r *Record) Time(z *Zone) (unixMilli int64, offsetSeconds int32, ok bool) {
	r.TimeUnsure = false
	f := r.Format
	for k, i := range f.timeFields {
		v := &r.Values[i]
		if v.State&Present == 0 {
			continue
		}
		field := &f.fields[i]
		if field.Kind == KindDate && !field.zoned {
			ms, offset, sure := r.localTime(z, k)
			r.TimeUnsure = !sure
			return ms, offset, true
		}
		ms, offset := r.absolute(i)
		if field.Kind == KindInt {
			offset = z.offsetAt(v.Int)
		}
		duration, _ := r.duration(field.Alias)
		z.note(ms+duration, true)
		return ms, offset, true
	}
	return 0, 0, false
}

// localTime is Time by the date without an offset that is the k-th of the time fields.
func (r *Record) localTime(z *Zone, k int) (unixMilli int64, offsetSeconds int32, sure bool) {
	f := r.Format
	i := f.timeFields[k]
	v, alias := &r.Values[i], f.fields[i].Alias
	c := clock{wall: v.Int}
	c.duration, c.ended = r.duration(alias)
	for _, other := range f.timeFields[k+1:] {
		o := &r.Values[other]
		if o.State&Present == 0 || f.fields[other].Kind == KindDate && !f.fields[other].zoned {
			continue
		}
		c.anchor, _ = r.absolute(other)
		c.anchored = true
		// The same moment in another form. %t and %tr have the milliseconds.
		second := floorDiv(v.Int, 1000)
		if offset := second - floorDiv(c.anchor, 1000); sameMoment(alias, f.fields[other].Alias) && distance(offset, 0) < reach {
			ms := v.Int - offset*1000
			z.note(ms+c.duration, true)
			return ms, int32(offset), true //nolint:gosec // below reach
		}
		break
	}
	return z.resolve(&c)
}

// sameMoment reports whether two aliases print the same moment: both when the request began, or both when the
// connection was accepted.
func sameMoment(a, b string) bool { return ofRequest(a) == ofRequest(b) }

func ofRequest(alias string) bool { return len(alias) > 1 && alias[:2] == "tr" }

// absolute returns the instant of a field that tells one by itself: a date with its offset, or %Ts.
func (r *Record) absolute(i int) (unixMilli int64, offsetSeconds int32) {
	f, v := r.Format, &r.Values[i]
	if f.fields[i].Kind == KindDate {
		return v.Int - int64(v.Zone)*1000, v.Zone
	}
	ms := v.Int * 1000
	if f.msField >= 0 && r.Values[f.msField].State&Present != 0 {
		ms += r.Values[f.msField].Int
	}
	return ms, 0
}

// duration returns how long after its date the record was written, in milliseconds, if it tells: a request lasts %Ta
// from its beginning, a session %Tt from its accept date.
func (r *Record) duration(alias string) (milli int64, ok bool) {
	i := r.Format.sessionField
	if ofRequest(alias) {
		i = r.Format.requestField
	}
	if i < 0 || r.Values[i].State&Present == 0 {
		return 0, false
	}
	return max(r.Values[i].Int, 0), true
}
