package store

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// compressing makes a store whose rotated files are to be compressed after a minute.
func compressing(c *clock, with Compression) Options {
	return Options{Policy: Policy{MaxSize: 10, Compression: with, CompressAfter: time.Minute}, Now: c.now, manual: true}
}

// compressDue does what the compressor does each time.
func compressDue(t testing.TB, s *Store) {
	t.Helper()
	if s.archive == nil {
		return
	}
	for _, j := range s.compressible() {
		s.compressOne(t.Context(), j)
	}
}

// inflate returns what a file holds, which may be compressed.
func inflate(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var r io.Reader = f
	if extension := filepath.Ext(path); extension != ".log" {
		d, err := decoder(f, extension)
		if err != nil {
			return "", err
		}
		defer d.Close()
		r = d
	}
	p, err := io.ReadAll(r)
	return string(p), err
}

// wantAll checks that the log's files, compressed ones too, hold just want, and that there is nothing else in its folder.
func wantAll(t testing.TB, root, log, want string, compressed int) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, log+"_*"))
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, filepath.Join(root, log+".log"))
	var got strings.Builder
	n := 0
	for _, f := range all {
		p, err := inflate(f)
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		got.WriteString(p)
		if filepath.Ext(f) != ".log" {
			n++
		}
	}
	if got.String() != want {
		t.Errorf("the files hold\n%s\nwant\n%s", got.String(), want)
	}
	if n != compressed {
		t.Errorf("%d files are compressed, want %d", n, compressed)
	}
	if left, err := filepath.Glob(filepath.Join(root, filepath.Dir(log), ".*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("%q is left, %v", left, err)
	}
}

func TestRotatedFilesAreCompressedOnceTheyAreOldEnough(t *testing.T) {
	for _, with := range []Compression{Zstd, Gzip, Uncompressed} {
		t.Run(string(with), func(t *testing.T) {
			root, c := t.TempDir(), newClock()
			s := open(t, root, compressing(c, with))
			fill(t, s, c, "d/a", 1, 5)
			tidy(t, s)
			c.Time = c.Add(-time.Minute) // the last rotation is as old as that now
			mustAppend(t, s, numbered("d/a", alice, 6, 6, 10))
			first, err := os.Stat(files(t, root, "d/a")[0])
			if err != nil {
				t.Fatal(err)
			}
			compressDue(t, s)
			want := 3
			if with == Uncompressed {
				want = 0
			}
			wantAll(t, root, "d/a", lines(alice, 1, 6, 10), want)
			if want == 0 {
				return
			}
			if got := s.Stats(); got.Compressed != (Volume{3, 30}) || got.NotCompressed != 0 {
				t.Errorf("%+v", got)
			}
			packed, err := os.Stat(filepath.Join(root, "d", first.Name()+with.extension()))
			if err != nil || !packed.ModTime().Equal(first.ModTime()) {
				t.Errorf("%v, %v", packed.ModTime(), err)
			}
			tool := exec.Command(string(with), "-dc", filepath.Join(root, "d", first.Name()+with.extension()))
			if _, err := exec.LookPath(string(with)); err == nil {
				if out, err := tool.Output(); err != nil || string(out) != line(alice, 1, 10) {
					t.Errorf("%s reads %q, %v", with, out, err)
				}
			}
		})
	}
}

func TestRetentionCountsCompressedFilesAsTheyAre(t *testing.T) {
	root, c := t.TempDir(), newClock()
	o := compressing(c, Zstd)
	o.Policy.KeepFiles = 3
	s := open(t, root, o)
	fill(t, s, c, "a", 1, 4)
	c.Time = c.Add(time.Hour)
	tidy(t, s)
	compressDue(t, s)
	wantBytes(t, s, root)
	fill(t, s, c, "a", 5, 6)
	tidy(t, s)
	wantAll(t, root, "a", lines(alice, 3, 6, 10), 1)
	wantBytes(t, s, root)
}

// wantBytes checks that the shelf of the log a knows what its rotated files take.
func wantBytes(t *testing.T, s *Store, root string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, "a_*"))
	if err != nil {
		t.Fatal(err)
	}
	var bytes int64
	for _, p := range all {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	if got := s.archive.shelves["a"].bytes; got != bytes {
		t.Errorf("the shelf has %d bytes, the files %d", got, bytes)
	}
}

// TestCrashesWhileCompressing starts with what a kill, or a loss of power, leaves between any two steps.
func TestCrashesWhileCompressing(t *testing.T) {
	half := func(t *testing.T, from, to string) {
		p, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, p[:len(p)/2], 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, leave := range map[string]func(t *testing.T, plain, packed, temp string){
		"an empty temporary file":   func(t *testing.T, plain, packed, temp string) { half(t, os.DevNull, temp); remove(t, packed) },
		"half a temporary file":     func(t *testing.T, plain, packed, temp string) { half(t, packed, temp); remove(t, packed) },
		"a whole temporary file":    func(t *testing.T, plain, packed, temp string) { rename(t, packed, temp) },
		"both files":                func(t *testing.T, plain, packed, temp string) {},
		"both files, and temporary": func(t *testing.T, plain, packed, temp string) { half(t, packed, temp) },
		"the compressed file":       func(t *testing.T, plain, packed, temp string) { remove(t, plain) },
	} {
		t.Run(name, func(t *testing.T) {
			root, c := t.TempDir(), newClock()
			s := open(t, root, compressing(c, Zstd))
			fill(t, s, c, "a", 1, 3)
			c.Time = c.Add(time.Hour)
			plain := files(t, root, "a")[0]
			if err := os.Link(plain, plain+".kept"); err != nil {
				t.Fatal(err)
			}
			tidy(t, s)
			compressDue(t, s)
			rename(t, plain+".kept", plain)
			leave(t, plain, plain+".zst", temporary(plain+".zst"))
			crash(t, s)
			for range 2 {
				s = open(t, root, compressing(c, Zstd))
				tidy(t, s)
				compressDue(t, s)
				wantAll(t, root, "a", lines(alice, 1, 3, 10), 2)
				if got := s.Stats().NotCompressed; got != 0 {
					t.Errorf("%d failures", got)
				}
				crash(t, s)
			}
		})
	}
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestACopyThatDiffersHarmsNothing has somebody else's work beside a plain file.
func TestACopyThatDiffersHarmsNothing(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, compressing(c, Zstd))
	fill(t, s, c, "a", 1, 3)
	c.Time = c.Add(time.Hour)
	plain := files(t, root, "a")[0]
	for _, copied := range []string{"", "no zstd", "\x28\xb5\x2f\xfd"} {
		if err := os.WriteFile(plain+".zst", []byte(copied), 0o600); err != nil {
			t.Fatal(err)
		}
		tidy(t, s)
		compressDue(t, s)
		c.Time = c.Add(time.Hour)
		if !exists(plain) || !exists(plain+".zst") {
			t.Errorf("%q: a file was deleted", copied)
		}
	}
	remove(t, plain+".zst")
	tidy(t, s)
	compressDue(t, s)
	wantAll(t, root, "a", lines(alice, 1, 3, 10), 2)
}

// TestACopyThatCantBeSyncedReplacesNothing has others make a copy, as a crash would have left one.
func TestACopyThatCantBeSyncedReplacesNothing(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, compressing(c, Gzip))
	fill(t, s, c, "a", 1, 2)
	s.receive()
	plain := files(t, root, "a")[0]
	source, err := os.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	j := job{"a", s.archive.shelves["a"].files[0], Gzip}
	if _, err := s.pack(t.Context(), source, j.file.name("a")+".gz", Gzip); err != nil {
		t.Fatal(err)
	}
	fdatasync := s.fdatasync
	s.fdatasync = func(*os.File) error { return syscall.EIO }
	if err := s.compress(t.Context(), j); !errors.Is(err, syscall.EIO) || !exists(plain) {
		t.Errorf("%v; the plain file exists: %t", err, exists(plain))
	}
	s.fdatasync = fdatasync
	if err := s.compress(t.Context(), j); err != nil || exists(plain) || !exists(plain+".gz") {
		t.Error(err)
	}
}

// TestAFileIsNotReplacedByACopyThatIsNotWhole is the rule beneath all others: what is verified is what is on the disk.
func TestAFileIsNotReplacedByACopyThatIsNotWhole(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, Options{manual: true})
	content := strings.Repeat("a line of a log\n", 100_000)
	if err := os.WriteFile(filepath.Join(root, "x"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, with := range []Compression{Zstd, Gzip} {
		source, err := os.Open(filepath.Join(root, "x"))
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		name := "packed-" + string(with)
		sum, err := s.pack(t.Context(), source, name, with)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.verify(t.Context(), name, with.extension(), sum); err != nil {
			t.Error(err)
		}
		damages := map[string][]byte{"empty": nil, "cut": packed[:len(packed)-1], "half": packed[:len(packed)/2], "twice": slices.Concat(packed, packed)}
		for i := 0; i < len(packed); i += len(packed)/50 + 1 {
			damaged := slices.Clone(packed)
			damaged[i] ^= 0x10
			if got, err := unpack(damaged, with); err == nil && got == content {
				continue // a byte of the header that says nothing
			}
			damages["byte "+string(rune('0'+i))] = damaged
		}
		for what, damaged := range damages {
			if err := os.WriteFile(filepath.Join(root, name), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if s.verify(t.Context(), name, with.extension(), sum) == nil {
				t.Errorf("%s, %s: passed", with, what)
			}
		}
	}
}

func unpack(p []byte, with Compression) (string, error) {
	d, err := decoder(strings.NewReader(string(p)), with.extension())
	if err != nil {
		return "", err
	}
	defer d.Close()
	all, err := io.ReadAll(d)
	return string(all), err
}

// TestAFileDeletedWhileItIsCompressedStaysDeleted calls the last step for a file that retention has deleted.
func TestAFileDeletedWhileItIsCompressedStaysDeleted(t *testing.T) {
	root, c := t.TempDir(), newClock()
	o := compressing(c, Zstd)
	o.Policy.KeepFiles = 1
	s := open(t, root, o)
	fill(t, s, c, "a", 1, 3)
	c.Time = c.Add(time.Hour)
	s.receive()
	j := s.compressible()[0]
	plain := j.file.name("a")
	source, err := s.root.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	temp := temporary(plain + ".zst")
	sum, err := s.pack(t.Context(), source, temp, Zstd)
	if err != nil {
		t.Fatal(err)
	}
	s.trimAll(t.Context())
	if err := s.replace(t.Context(), j, sum, temp, plain+".zst"); err != nil {
		t.Error(err)
	}
	wantAll(t, root, "a", lines(alice, 2, 3, 10), 0)
}

// TestNoPlainFileIsReplacedInVain calls the last step for a copy that is not whole, and for a plain file that has changed.
func TestNoPlainFileIsReplacedInVain(t *testing.T) {
	root, c := t.TempDir(), newClock()
	s := open(t, root, compressing(c, Zstd))
	fill(t, s, c, "a", 1, 2)
	s.receive()
	plain := files(t, root, "a")[0]
	replace := func(damage func(temp string) error) error {
		source, err := os.Open(plain)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		temp := filepath.Join(root, "temp")
		sum, err := s.pack(t.Context(), source, "temp", Zstd)
		if err := errors.Join(err, damage(temp)); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(temp)
		j := job{"a", s.archive.shelves["a"].files[0], Zstd}
		return s.replace(t.Context(), j, sum, "temp", j.file.name("a")+".zst")
	}
	for what, damage := range map[string]func(temp string) error{
		"not whole": func(temp string) error { return os.Truncate(temp, 12) },
		"changed": func(string) error {
			f, err := os.OpenFile(plain, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("x\n")
				err = errors.Join(err, f.Close())
			}
			return err
		},
	} {
		if err := replace(damage); err == nil || !exists(plain) || exists(plain+".zst") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := replace(func(string) error { return nil }); err != nil || exists(plain) {
		t.Error(err)
	}
}

// TestTheCompressorStopsInTheMiddleOfAFile has a source that never ends.
func TestTheCompressorStopsInTheMiddleOfAFile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := tallyOf(reader{ctx, endless{}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestTheCompressorWorksByItself(t *testing.T) {
	root := t.TempDir()
	o := Options{Policy: Policy{MaxSize: 10, Compression: Zstd}}
	s := open(t, root, o)
	mustAppend(t, s, numbered("a", alice, 1, 5, 10))
	mustCommit(t, s)
	s.Close()
	s = open(t, root, o) // the compressor looks at once, and then every five seconds
	for deadline := time.Now().Add(15 * time.Second); s.Stats().Compressed.Files < 4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is compressed")
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wantAll(t, root, "a", lines(alice, 1, 5, 10), 4)
}

func BenchmarkCompress(b *testing.B) {
	root := b.TempDir()
	s := open(b, root, Options{manual: true})
	if err := os.WriteFile(filepath.Join(root, "x"), []byte(lines(alice, 1, 80_000, 120)), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, with := range []Compression{Zstd, Gzip} {
		b.Run(string(with), func(b *testing.B) {
			b.SetBytes(80_000 * 120)
			for b.Loop() {
				source, err := os.Open(filepath.Join(root, "x"))
				if err != nil {
					b.Fatal(err)
				}
				sum, err := s.pack(b.Context(), source, "y", with)
				if err == nil {
					err = s.verify(b.Context(), "y", with.extension(), sum)
				}
				if err := errors.Join(err, source.Close(), os.Remove(filepath.Join(root, "y"))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
