//go:build unix && !linux

package tail

import "os"

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
