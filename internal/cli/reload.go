package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/logscribe/logscribe/internal/ops"
)

// A reload is all or nothing. The settings are read again from the same origins into a second Program, which is checked
// as at the start and compared with the one in use; then the program itself applies what it has to, or refuses. Until
// then nothing has changed.

// Reloader returns a new Program with the settings of the one that runs, and what applies them once they have been read.
// An error of apply must leave all as it was.
type Reloader func() (fresh *Program, apply func() error)

// again reads all settings again, applies them, and returns the names of those that have changed. After an error the old
// ones are in use.
func (p *Process) again(reload Reloader) (changed []string, err error) {
	fresh, apply := reload()
	if _, err := fresh.Parse(p.Host); err != nil {
		return nil, err
	}
	if changed, err = p.program.changes(fresh); err != nil {
		return nil, err
	}
	if err := apply(); err != nil {
		return nil, err
	}
	p.program = fresh
	p.level.Set(fresh.level())
	return changed, nil
}

// Reloads returns what became of the reloads so far. It is safe for concurrent use.
func (p *Process) Reloads() ops.Reloads { return *p.reloads.Load() }

// ReloadError returns why the last reload failed, "" if it did not. It is safe for concurrent use.
func (p *Process) ReloadError() string { return p.Reloads().Error }

// count counts a reload that ended with err. One at a time is.
func (p *Process) count(err error) {
	r := p.Reloads()
	if err == nil {
		r.Good++
		r.Since, r.Error = time.Now(), ""
	} else {
		r.Failed++
		r.Error = flat(err.Error())
	}
	p.reloads.Store(&r)
}

// heed reloads for each hangup until there are no more. Those before OnReload are one afterwards.
func (p *Process) heed(hangups <-chan struct{}) {
	for waiting := false; ; {
		select {
		case _, ok := <-hangups:
			if !ok {
				return
			}
			waiting = true
		case <-p.ready:
		}
		reload := p.reload.Load()
		if reload == nil || !waiting {
			continue
		}
		waiting = false
		p.manager.reloading()
		changed, err := p.again(*reload)
		p.count(err)
		p.manager.reloaded(err)
		switch {
		case err != nil:
			p.Logger.Error("reload failed, going on as before", "error", flat(err.Error()))
		case len(changed) == 0:
			p.Logger.Info("reloaded", "changed", "nothing")
		default:
			p.Logger.Info("reloaded", "changed", strings.Join(changed, ", "))
		}
	}
}

// changes returns the names of the settings and tables that fresh has other values of. The error names those that can't
// change in a running program.
func (p *Program) changes(fresh *Program) (changed []string, err error) {
	var errs []error
	for i, s := range p.list {
		f := fresh.list[i]
		if slices.Equal(s.texts, f.texts) {
			continue
		}
		changed = append(changed, s.name())
		if !s.live {
			errs = append(errs, needsRestart(f.from, s.name(), strings.Join(s.texts, ","), strings.Join(f.texts, ",")))
		}
	}
	for i, t := range p.tables {
		f := fresh.tables[i]
		if slices.EqualFunc(t.made, f.made, sameValues) {
			continue
		}
		name := "[[" + t.name + "]]"
		changed = append(changed, name)
		if !t.live {
			errs = append(errs, fmt.Errorf("%s needs a restart to change", name))
		}
	}
	return changed, Usage(errors.Join(errs...))
}

// sameValues compares two tables of one array, and the tables within them.
func sameValues(a, b *Settings) bool {
	same := slices.EqualFunc(a.list, b.list, func(a, b *Setting) bool { return slices.Equal(a.texts, b.texts) })
	return same && slices.EqualFunc(a.tables, b.tables, func(a, b *Table) bool { return slices.EqualFunc(a.made, b.made, sameValues) })
}

// needsRestart is the error about a setting that would change and can't. Where the new value came from names the setting
// already, unless it is the default.
func needsRestart(origin, name, old, fresh string) error {
	if origin == "" {
		origin = name
	}
	return fmt.Errorf("%s needs a restart to change from %q to %q", origin, old, fresh)
}

// name is what a user calls the setting.
func (s *Setting) name() string {
	if s.key != "" {
		return s.key
	}
	return "-" + s.flag
}

// Live says that the setting may change while the program runs. A reload that changes another one is refused.
func (s *Setting) Live() *Setting { s.live = true; return s }

// Live says the same of all tables of the array.
func (t *Table) Live() { t.live = true }
