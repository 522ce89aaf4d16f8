package elastic

// Stream is the name of the data stream.
func (c Config) Stream() string { return c.stream() }
