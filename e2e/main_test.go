package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	chaosSeed     = flag.Uint64("chaos.seed", 0, "seed of the chaos tests; 0 takes a new one for each run, and prints it")
	chaosDuration = flag.Duration("chaos.duration", 0, "run the chaos test for this long, in rounds of different shapes; 0 runs one short round")
	race          = flag.Bool("chaos.race", false, "build the programs with the race detector, whose reports fail the test")
	long          = flag.Bool("long", false, "run the long forms: a million lines through standard input, stops longer than every timeout")
)

// testsPerCPU is how many tests run at once by default: most of their time they wait, for a program to be up again or a
// disk to have room.
const testsPerCPU = 3

func TestMain(m *testing.M) {
	if path := os.Getenv(spoolWriterEnv); path != "" {
		fmt.Fprintln(os.Stderr, writeSpool(path, os.Stdout)) // it only ends with an error
		os.Exit(1)
	}
	if err := flag.Set("test.parallel", fmt.Sprint(testsPerCPU*runtime.NumCPU())); err != nil { // the command line may say another number
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		for _, b := range []*build{&normal, &sabotaged} {
			if b.dir != "" && os.Getenv(b.lent()) == "" {
				os.RemoveAll(b.dir)
			}
		}
		os.Exit(code)
	}))
}

// build is one build of all programs, made when the first test asks for it.
type build struct {
	tags string
	once sync.Once
	dir  string
	err  error
}

var (
	normal    build
	sabotaged = build{tags: "sabotage"}
)

// bin returns the path of a program.
func (b *build) bin(t testing.TB, program string) string {
	t.Helper()
	b.once.Do(b.make)
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, program)
}

// testBin returns the path of these tests' own program, built as the others are.
func (b *build) testBin(t testing.TB) string {
	t.Helper()
	path := b.bin(t, "e2e.test")
	cmd := exec.Command("go", "test", "-c", "-tags", b.tags, "-o", path, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the tests: %v\n%s", err, out)
	}
	return path
}

// lent is the variable that tells a process of these tests where another one has built the programs.
func (b *build) lent() string { return "LOGSCRIBE_E2E_BUILD_" + b.tags }

func (b *build) make() {
	if b.dir = os.Getenv(b.lent()); b.dir != "" {
		return
	}
	if b.dir, b.err = os.MkdirTemp("", "logscribe-bin-"); b.err != nil {
		return
	}
	args := []string{"build", "-tags", b.tags, "-o", b.dir + string(filepath.Separator)}
	if *race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/scribe", "./cmd/scribe-agent", "./cmd/scribe-mediator", "./cmd/scribectl")...)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		b.err = fmt.Errorf("build the programs: %w\n%s", err, out)
	}
}

// newSeed returns the seed of the flag, or else a new one.
func newSeed() uint64 {
	if *chaosSeed != 0 {
		return *chaosSeed
	}
	return uint64(time.Now().UnixNano())
}

// within polls until the condition holds, and fails the test if it does not in time.
func within(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	if !eventually(limit, condition) {
		t.Fatalf("not within %v: %s", limit, what)
	}
}

// eventually polls until the condition holds, and says whether it did in time.
func eventually(limit time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if condition() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}
