package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/logscribe/logscribe/internal/boltfile"
)

// Remedy says what Open does with a damaged file.
type Remedy int

// The remedies.
const (
	RefuseDamaged   Remedy = iota // return an error that says what to do
	RepairDamaged                 // keep what can be read, as Repair does; nothing can: as SetAsideDamaged
	SetAsideDamaged               // give the file another name, and begin with an empty spool
)

// ParseRemedy reads "refuse", which is also "", "repair" or "set_aside".
func ParseRemedy(s string) (Remedy, error) {
	switch s {
	case "refuse", "":
		return RefuseDamaged, nil
	case "repair":
		return RepairDamaged, nil
	case "set_aside":
		return SetAsideDamaged, nil
	}
	return 0, fmt.Errorf("unknown remedy %q: use refuse, repair or set_aside", s)
}

// openDamaged applies the remedy to a file that could not be opened because of the damage, and opens it again.
func openDamaged(d writable, path string, o Options, damage error) (*writer, error) {
	if file, err := os.Open(path); err == nil {
		err = checkForeign(file)
		file.Close()
		if err != nil {
			return nil, openError(path, err)
		}
	}
	switch o.WhenDamaged {
	case RepairDamaged:
		report, err := Repair(path)
		if errors.Is(err, ErrDamaged) {
			o.WhenDamaged = SetAsideDamaged // nothing can be read of it
			return openDamaged(d, path, o, err)
		}
		if err != nil {
			return nil, err
		}
		o.Logger.Error("the spool is damaged: it was repaired", "error", damage, "damaged_file", report.SetAside, "lines_lost", report.lost())
		for _, l := range report.Logs {
			if l.Lost > 0 {
				o.Logger.Error("lines in the spool are lost", "log", l.Log, "lines", l.Lost, "kept", l.Lines)
			}
		}
	case SetAsideDamaged:
		aside, err := setAsideFile(d, path, o)
		if err != nil {
			return nil, fmt.Errorf("%w; set it aside: %w", damage, err)
		}
		o.Logger.Error("the spool is damaged: it was set aside, and an empty one takes its place", "error", damage, "damaged_file", aside)
	default:
		return nil, remedied(path, damage)
	}
	return openSound(d, path, o, "")
}

// remedied adds to an error about a damaged spool what to do about it.
func remedied(path string, damage error) error {
	return fmt.Errorf("%w; to keep what can be read of it: scribe-agent spool repair %s; "+
		"to begin with an empty one: mv %[2]s %[2]s.damaged", damage, path)
}

// setAsideFile gives the file at path another name, which it returns, and puts an empty spool in its place. That has
// counted the loss before it gets there: whatever ends this on the way, the loss is counted, and once.
func setAsideFile(d writable, path string, o Options) (aside string, err error) {
	file, err := boltfile.Lock(path, false)
	if err != nil {
		return "", err
	}
	defer file.Close() // nothing was written
	fresh := path + repairSuffix
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	aside = asideName(path)
	w, err := openSound(d, fresh, o, aside)
	if err == nil {
		err = w.file.Close()
	}
	if err == nil {
		err = replace(path, fresh, aside)
	}
	if err != nil {
		_ = os.Remove(fresh) // or the next one does
		return "", err
	}
	return aside, nil
}

func (r *Report) lost() (lines uint64) {
	for _, l := range r.Logs {
		lines += l.Lost
	}
	return lines
}
