package spool

const (
	// mendStep is how many blocks are looked at at once: it bounds how long a batch waits.
	mendStep = 64
	// mendRetry is for how many ticks none is looked at after that has failed, as it does where the disk can't read one.
	mendRetry = 30
)

// mending returns a channel that is ready while the pages of blocks must be looked at.
func (w *writer) mending() <-chan struct{} {
	if !w.file.MustMend() || w.mendPause > 0 || w.file.Broken() != nil {
		return nil
	}
	return always
}

// mendRest looks at the pages of all blocks at which nobody has looked, but not for mendRetry after that has failed. On a
// disk that has none of them at hand it takes long, so it ends with ErrClosed when the spool is closed.
func (w *writer) mendRest() error {
	for w.mending() != nil {
		select {
		case <-w.closing:
			return ErrClosed
		default:
		}
		if err := w.mendSome(); err != nil {
			return err
		}
	}
	return nil
}

// mendSome looks at the pages of some blocks.
func (w *writer) mendSome() error {
	w.beat.rest() // all of them may take longer than one thing should
	mended, err := w.file.MendSome(mendStep)
	w.noteFailure()
	w.touched(mendStep * w.file.PageSize() / inlineShare)
	if mended > 0 {
		w.logger.Warn("pages of the spool were damaged: their blocks are sent if that is all that is wrong with them",
			"path", w.path, "blocks", mended)
	}
	if err != nil && w.file.Broken() == nil {
		w.mendPause = mendRetry
		w.logger.Warn("can't look at the pages of the spool's blocks for now", "path", w.path, "error", err)
	}
	return err
}
