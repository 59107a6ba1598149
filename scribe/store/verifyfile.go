package store

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// original is what the ledger says of the bytes that the store has written to a file.
type original struct {
	known bool // it says anything
	form  Form
	size  int64 // in bytes; of an active file there may be more, which are not committed
	sum   checksum
}

func (f fileRecord) original() original {
	return original{known: true, form: f.form, size: f.size, sum: checksum{f.crc, true}}
}

var (
	errChanged   = errors.New("its bytes are not those that were written: something else has changed it, or the disk")
	errSentSo    = errors.New("it does not end in a newline: its last frame was sent like that, by a client that breaks the protocol")
	errNoNewline = errors.New("it does not end in a newline: something else has cut or changed it")
)

// checkContent reads the first limit bytes of a file, and returns an error if they are not what the ledger says, or hold no whole
// lines. A file that was compressed after its rotation is held against what it unpacks to.
func (v *verifier) checkContent(ctx context.Context, file, extension string, limit int64, want original) error {
	f, err := v.root.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	raw, text := &tally{}, &tally{}
	in := io.TeeReader(io.LimitReader(reader{ctx, f}, limit), raw)
	if extension != "" {
		d, err := decoder(in, extension)
		if err != nil {
			return fmt.Errorf("it can't be unpacked: %w", err)
		}
		defer d.Close()
		in = d
	}
	if _, err := io.CopyBuffer(text, in, make([]byte, pieceSize)); err != nil {
		if extension != "" {
			err = fmt.Errorf("it can't be unpacked: %w", err)
		}
		return err
	}
	written := raw
	if extension != want.form.extension() {
		written = text
	}
	switch {
	case want.known && written.bytes != want.size:
		return fmt.Errorf("it holds %d bytes, %d were written: something else has changed it", written.bytes, want.size)
	case want.known && want.sum.known && written.crc != want.sum.crc:
		return errChanged
	case text.last != '\n' && want.known && want.sum.known:
		return errSentSo
	case text.last != '\n':
		return errNoNewline
	}
	return nil
}
