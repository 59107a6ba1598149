package spool

// mendStep is how many blocks are looked at at once: it bounds how long a batch waits.
const mendStep = 64

// mending returns a channel that is ready while the pages of blocks must be looked at.
func (w *writer) mending() <-chan struct{} {
	if !w.file.MustMend() || w.file.Broken() != nil {
		return nil
	}
	return always
}

// mendRest looks at the pages of all blocks at which nobody has looked.
func (w *writer) mendRest() {
	for w.file.MustMend() && w.mendSome() == nil {
	}
}

// mendSome looks at the pages of some blocks. The error is that of a file that turned out to be damaged.
func (w *writer) mendSome() error {
	mended, err := w.file.MendSome(bucketBlocks, mendStep)
	w.noteFailure()
	if mended > 0 {
		w.logger.Warn("pages of the spool were damaged: their blocks are sent if that is all that is wrong with them", "path", w.path, "blocks", mended)
	}
	return err
}
