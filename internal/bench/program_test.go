package main

import (
	"errors"
	"strings"
	"testing"
)

// TestProgramsThatEnd starts programs that do not end as they should, and one that does.
func TestProgramsThatEnd(t *testing.T) {
	for _, test := range []struct {
		name, script string
		ready        bool // is waited for
		want         string
	}{
		{"ends when asked to", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", true, ""},
		{"fails when asked to", "trap 'echo ouch; exit 3' TERM; echo ready; while :; do sleep 0.01; done", true, "did not stop cleanly: exit status 3\nready\nouch\n"},
		{"ends by itself", "echo ouch; exit 0", false, "ended by itself: exit status 0\nouch\n"},
		{"ends before it is ready", "echo ouch; exit 1", true, "is not ready: it has ended\nouch\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &program{name: "script", bin: "sh", args: []string{"-c", test.script}, dir: t.TempDir()}
			defer p.kill()
			if test.ready {
				p.ready = func() error { return p.await("says so", func() bool { return p.said("ready") }) }
			}
			err := p.start()
			if err == nil {
				if !test.ready {
					<-p.done
				}
				p.terminate()
				err = p.end()
			}
			switch {
			case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			case err == nil && p.usage().Peak == 0:
				t.Error("it took no memory")
			}
		})
	}
	p := &program{name: "nothing", bin: "/does/not/exist", dir: t.TempDir()}
	if err := errors.Join(p.start(), p.end()); err == nil || p.running() {
		t.Errorf("no program: %v", err)
	}
}
