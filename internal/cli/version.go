package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set when a release is built, by
// -ldflags "-X github.com/logscribe/logscribe/internal/cli.version=v1.2.3".
var version string

// Version returns the release, or what the Go toolchain recorded about the build.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func versionLine(program string) string {
	return fmt.Sprintf("%s %s %s %s/%s", program, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
