package spool

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/logscribe/logscribe/internal/block"
)

// The block records that releases have written: they must be read for ever. All are of the lines "one" and "two" at
// position 12 of log "web/a", whose producer began with position 8.
var blockRecords = []string{
	"01 00 00000002 00000008 6cd72e07 18ebfdcc4df41312 6f6e650a74776f0a",
	"02 00 00000002 00000008 563a134f 18ebfdcc4df41312 0006 00000005 66696c652f31 7468657265 6f6e650a74776f0a",
	"03 00 00000002 00000008 6cd72e07 18ebfdcc4df41312 00000041 6ba7b8109dad41d180b400c04fd430c8 0000000000000008 0005 7765622f61" +
		"6f6e650a74776f0a",
	"04 00 00000002 00000008 563a134f 18ebfdcc4df41312 00000052 6ba7b8109dad41d180b400c04fd430c8 0000000000000008 0005 7765622f61" +
		"0006 00000005 66696c652f31 7468657265 6f6e650a74776f0a",
}

func TestBlockRecordsAreStable(t *testing.T) {
	id := identity{producer: producerA, base: 8}
	q := queue{id: 1, oldest: 8, next: 14, spans: []span{{from: 8, stored: id, sent: id}}}
	for i, text := range blockRecords {
		stored := record(t, text)
		b, err := openRecord("web/a", &q, 12, stored)
		if err != nil || string(b.Payload) != "one\ntwo\n" || b.First != 5 || (i%2 == 1) != (b.Reached.Source == "file/1" && string(b.Reached.Value) == "there") {
			t.Errorf("record %d: %+v, %v", i, b, err)
		}
		l, labelled := decodeLabel(stored)
		if want := stored[0] >= recordVersion; labelled != want || want && (l.log != "web/a" || l.id != id || l.size != len(stored)) {
			t.Errorf("record %d: label %+v, %t", i, l, labelled)
		}
		d := block.NewDraft(nil, "web/a", []byte("one\ntwo\n"), block.None)
		d.Reached = b.Reached
		sealed := d.Seal(producerA, 5)
		now := encodeRecord([]byte("x"), &sealed, 8, time.Unix(0, 0x18ebfdcc4df41312))[1:]
		if stored[0] >= recordVersion && !bytes.Equal(now, stored) {
			t.Errorf("record %d: now written as %x", i, now)
		}
		if stored[0] >= recordVersion && recordSize(&d) != int64(len(now)) {
			t.Errorf("record %d: %d bytes were told, %d are written", i, recordSize(&d), len(now))
		}
	}
}

// TestShortBlockRecordsAreRefused cuts records anywhere: none may be taken for a block, or be read beyond its end.
func TestShortBlockRecordsAreRefused(t *testing.T) {
	id := identity{producer: producerA, base: 8}
	q := queue{id: 1, oldest: 8, next: 14, spans: []span{{from: 8, stored: id, sent: id}}}
	for _, text := range blockRecords {
		all, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(all) {
			short := all[:n:n]
			if _, err := openRecord("web/a", &q, 12, short); !errors.Is(err, ErrDamaged) && !errors.Is(err, block.ErrChecksum) {
				t.Errorf("%x: %v", short, err)
			}
			if l, ok := decodeLabel(short); ok && l.size != len(all) {
				t.Errorf("%x: a label of %d bytes", short, l.size)
			}
		}
	}
}
