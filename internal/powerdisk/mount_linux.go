package powerdisk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrUnable says that this machine or user can't have such disks.
var ErrUnable = errors.New("a disk whose power can be cut needs root, FUSE, loop devices and mkfs.ext4")

// Mounted is a disk in use: an ext4 file system on it is mounted.
type Mounted struct {
	*Disk
	folder string
	file   string
	server *server
}

// New makes a disk of that size in bytes, with an empty file system that it mounts at folder. Its own files are put
// into work, a folder elsewhere.
func New(folder, work string, size int64) (*Mounted, error) {
	if os.Geteuid() != 0 {
		return nil, ErrUnable
	}
	file := filepath.Join(work, "disk")
	image, err := format(file, size)
	if err != nil {
		return nil, err
	}
	m := &Mounted{Disk: newDisk(image), folder: folder, file: file}
	if m.server, err = serve(m.Disk, file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnable, err)
	}
	if err := MountImage(file, folder); err != nil {
		return nil, errors.Join(err, m.unserve())
	}
	return m, nil
}

// format makes an empty file system, and leaves behind an empty file to mount the disk over.
func format(file string, size int64) ([]byte, error) {
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(file, size); err != nil {
		return nil, err
	}
	options := "lazy_itable_init=0,lazy_journal_init=0,nodiscard" // no work is left for later
	if err := command("mkfs.ext4", "-q", "-F", "-b", fmt.Sprint(sector), "-E", options, file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnable, err)
	}
	image, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return image, os.Truncate(file, 0)
}

// MountImage mounts the ext4 file system in a file at folder; Unmount undoes it.
func MountImage(file, folder string) error {
	return command("mount", "-o", "loop,errors=remount-ro", file, folder)
}

// Unmount unmounts what is mounted at folder.
func Unmount(folder string) error { return command("umount", folder) }

// Close unmounts the file system and ends the disk.
func (m *Mounted) Close() error {
	return errors.Join(Unmount(m.folder), m.unserve())
}

func (m *Mounted) unserve() error {
	if err := unix.Unmount(m.file, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the disk: %w", err)
	}
	return <-m.server.done
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
