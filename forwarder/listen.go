package forwarder

import (
	"log/slog"
	"path/filepath"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/forwarder/input/journald"
	"github.com/loghaul/loghaul/forwarder/input/stdin"
	"github.com/loghaul/loghaul/forwarder/input/syslog"
	"github.com/loghaul/loghaul/forwarder/ledger"
)

// defaultMaxLine is where lines that come from no file are cut: HAProxy's own
// bound (log ... len) is 65,535.
const defaultMaxLine = 64 << 10

// listen opens an input that is no file. What it has to remember besides its
// spool lies in the folder state.
func listen(in *Input, state string, to input.Spool, account *ledger.Account, log *slog.Logger) (input.Input, error) {
	longest := defaultMaxLine
	if in.MaxLine > 0 {
		longest = int(in.MaxLine)
	}
	log = log.With("input", in.Name())
	switch {
	case in.Syslog != "":
		cfg, err := in.syslog()
		if err != nil {
			return nil, err
		}
		return syslog.New(cfg, syslog.Deps{Spool: to, Account: account, Logger: log})
	case in.Stdin:
		return stdin.New(stdin.Config{MaxLine: longest}, stdin.Deps{Spool: to, Account: account, Logger: log})
	}
	cfg := journald.Config{
		Matches: in.Journald.Matches, Directory: in.Journald.Directory, Since: in.Journald.Since,
		Cursor: filepath.Join(state, "journal.cursor"), MaxLine: longest,
	}
	return journald.New(cfg, journald.Deps{Spool: to, Account: account, Logger: log})
}
