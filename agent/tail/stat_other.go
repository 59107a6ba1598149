//go:build unix && !linux

package tail

import (
	"os"
	"time"
)

// statPath follows links.
func statPath(path string) (fileStat, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileStat{}, err
	}
	return statOf(info), nil
}

func statFile(f *os.File) (fileStat, error) {
	info, err := f.Stat()
	if err != nil {
		return fileStat{}, err
	}
	return statOf(info), nil
}

// fileClock returns the time that a file gets if it was changed now, in nanoseconds since 1970.
func fileClock() int64 { return time.Now().UnixNano() }
