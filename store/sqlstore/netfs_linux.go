package sqlstore

import "golang.org/x/sys/unix"

func fileSystem(folder string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return "", err
	}
	return networkByMagic(uint32(st.Type)), nil
}
