package e2e

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inOwnMounts runs the test again in a process with a mount namespace of its own, and returns true in that one: whatever
// happens to it, what it has mounted goes with it. The builds are what the test needs.
func inOwnMounts(t *testing.T, builds ...*build) bool {
	t.Helper()
	const own = "LOGSCRIBE_E2E_OWN_MOUNTS"
	if os.Getenv(own) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("file systems can't be mounted: this needs root")
	}
	cmd := exec.Command(os.Args[0], append(os.Args[1:], "-test.run=^"+t.Name()+"$", "-test.v")...)
	cmd.Env = append(os.Environ(), own+"=1")
	for _, b := range builds {
		b.bin(t, "") // makes all
		cmd.Env = append(cmd.Env, b.lent()+"="+b.dir)
	}
	cmd.SysProcAttr = attributes()
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("a mount namespace can't be made: this needs root")
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}
