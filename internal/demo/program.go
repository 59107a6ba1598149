package demo

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// program is one of the real programs. It is started, killed and started again by one goroutine; whether it runs may be
// asked by all.
type program struct {
	name string // as people read it
	bin  string
	args []string
	dir  string // its own messages go there, and what it may keep for its user

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is no more
	up    atomic.Bool
}

// find returns the programs' files by their names: beside this one, or in PATH.
func find(names ...string) (map[string]string, error) {
	found := map[string]string{}
	var missing []string
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	for _, name := range names {
		if err == nil {
			beside := filepath.Join(filepath.Dir(self), name)
			if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				found[name] = beside
				continue
			}
		}
		path, err := exec.LookPath(name)
		if err != nil {
			missing = append(missing, name)
			continue
		}
		found[name] = path
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the demo starts the real programs, and found no %s beside %s or in PATH; "+
			"with the sources at hand, build all into one folder: go build -o bin/ ./cmd/... && bin/scribectl demo", strings.Join(missing, ", "), self)
	}
	return found, nil
}

// start starts a process.
func (p *program) start() error {
	messages, err := os.OpenFile(p.messages(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer messages.Close()
	cmd := exec.Command(p.bin, p.args...)
	cmd.Dir, cmd.Stderr, cmd.SysProcAttr = p.dir, messages, attributes()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + os.TempDir()} // none of the user's settings
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	p.up.Store(true)
	go func() {
		_ = cmd.Wait() // whoever ended it knows
		p.up.Store(false)
		close(ended)
	}()
	return nil
}

// messages returns the file that the process writes its messages to.
func (p *program) messages() string { return filepath.Join(p.dir, p.name+".messages") }

// says tells whether it has said something since it was first started.
func (p *program) says(text string) bool {
	all, err := os.ReadFile(p.messages())
	return err == nil && strings.Contains(string(all), text)
}

// lastWords returns the last line of its messages.
func (p *program) lastWords() string {
	all, _ := os.ReadFile(p.messages())
	lines := strings.Split(strings.TrimSpace(string(all)), "\n")
	return lines[len(lines)-1]
}

func (p *program) pid() int { return p.cmd.Process.Pid }

// kill kills the process with signal 9, and returns when it is no more.
func (p *program) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	<-p.ended
}

// stopLimit is how long a program may take for a clean end.
const stopLimit = 5 * time.Second

// stop ends the process in the way that it is meant to be ended.
func (p *program) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		p.kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM; its messages are in %s", p.name, stopLimit, p.messages())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with %s: %s", p.name, p.cmd.ProcessState, p.lastWords())
	}
	return nil
}
