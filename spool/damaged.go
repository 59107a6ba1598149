package spool

import (
	"errors"
	"fmt"
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
	aside := ""
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
		var err error
		if aside, err = setAsideFile(path); err != nil {
			return nil, fmt.Errorf("%w; set it aside: %w", damage, err)
		}
		o.Logger.Error("the spool is damaged: it was set aside, and an empty one takes its place", "error", damage, "damaged_file", aside)
	default:
		return nil, remedied(path, damage)
	}
	w, err := openSound(d, path, o)
	if err == nil && aside != "" {
		if err = w.loseSpool(aside); err != nil {
			return nil, errors.Join(err, w.file.Close())
		}
	}
	return w, err
}

// remedied adds to an error about a damaged spool what to do about it.
func remedied(path string, damage error) error {
	return fmt.Errorf("%w; to keep what can be read of it: scribe-agent spool repair %s; "+
		"to begin with an empty one: mv %[2]s %[2]s.damaged", damage, path)
}

// setAsideFile gives the file at path another name, which it returns.
func setAsideFile(path string) (string, error) {
	file, err := boltfile.Lock(path, false)
	if err != nil {
		return "", err
	}
	defer file.Close() // nothing was written
	return replace(path, "")
}

func (r *Report) lost() (lines uint64) {
	for _, l := range r.Logs {
		lines += l.Lost
	}
	return lines
}
