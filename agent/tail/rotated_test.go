package tail

import (
	"fmt"
	"testing"
	"time"
)

// TestRotatedNameThatWasAPathOfItsOwn: the globs cover rotated names, and one of them was there at the first start. What is
// rotated to that name later, unseen, is a file of the path that it was rotated from, and its lines come before those of what
// is there now.
func TestRotatedNameThatWasAPathOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ down, copied, seen bool }{
		{}, {down: true}, {copied: true}, {down: true, copied: true}, {copied: true, seen: true}, {down: true, copied: true, seen: true},
	} {
		t.Run(fmt.Sprintf("down=%v,copied=%v,seen=%v", c.down, c.copied, c.seen), func(t *testing.T) {
			both(t, func(t *testing.T, f *fixture) {
				f.real()
				f.cfg.Sections[0].Log = "app"
				freeze, thaw := f.freezable()
				f.write("app.log.1", lines("old", 0, 50))
				time.Sleep(clockTick)
				f.write("app.log", lines("0", 0, 50))
				f.up()
				want := lines("old", 0, 50) + lines("0", 0, 50)
				f.wants("app", want)
				for i := range 3 {
					time.Sleep(clockTick)
					if c.down {
						f.down()
					} else {
						freeze()
					}
					unseen, next := fmt.Sprintf("unseen %d", i), fmt.Sprint(i+1)
					f.rename("app.log.1", fmt.Sprintf("app.log.%d", 2*i+3))
					if !c.seen {
						f.rename("app.log", fmt.Sprintf("app.log.%d", 2*i+2))
					}
					f.write("app.log", lines(unseen, 0, 50))
					time.Sleep(clockTick)
					if c.copied {
						f.copyTruncate("app.log", "app.log.1")
					} else {
						f.rename("app.log", "app.log.1")
					}
					f.write("app.log", lines(next, 0, 50))
					want += lines(unseen, 0, 50) + lines(next, 0, 50)
					if c.down {
						f.up()
					} else {
						thaw()
					}
					f.wants("app", want)
				}
				f.down()
				f.up()
				f.scans(3)
				f.wants("app", want)
			}, "app.log*")
		})
	}
}

// TestCopyAtAPathThatIsKnown has a file be copied to a rotated name that is a path of its own, and never be truncated. What had
// stood at that path is read all the same.
func TestCopyAtAPathThatIsKnown(t *testing.T) {
	for _, text := range []string{"one\n", ""} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			f := newFixture(t, "app.log*")
			f.cfg.Sections[0].Log = "app"
			f.write("app.log.1", "old\n")
			time.Sleep(clockTick)
			f.write("app.log", text)
			f.up()
			f.wants("app", "old\n"+text)
			f.known(2)
			f.down()
			f.rename("app.log.1", "app.log.2")
			f.write("app.log.2", "late\n")
			f.copyFile("app.log", "app.log.1")
			f.up()
			f.wantsOnly("old\n" + text + "late\n")
			f.write("app.log.1", "and more\n") // it is a file of its own
			f.wantsOnly("old\n" + text + "late\n" + text + "and more\n")
		})
	}
}
