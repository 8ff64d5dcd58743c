package sqlstore

import (
	"context"
	"errors"

)

// OpenOn opens the database as if its folder were on the network file system
// and this process were another one on another host.
func OpenOn(ctx context.Context, cfg Config, network, host string, pid int, alive func(pid int) bool) (*Store, error) {
	return open(ctx, cfg, environment{
		fileSystem: func(string) (string, error) { return network, nil },
		host: func() (string, error) {
			if host == "" {
				return "", errors.New("no name")
			}
			return host, nil
		},
		pid:   pid,
		alive: alive,
	})
}

