// Package e2e holds the end-to-end tests: the built binaries as processes of
// their own, a stand-alone nats-server, a real S3 server, a real Elasticsearch
// and a real HAProxy, all killed, frozen and cut off while 20,000 lines a
// second go through. Each test counts exactly: every line that was written is
// in the archive, none is missing, none comes twice out of `loghaul audit cat`.
//
// A test keeps its folder (configuration, logs, state, input) when it fails and
// prints where that is. Random moments come from a seed that is printed;
// LOGHAUL_E2E_SEED repeats it.
package e2e
