// Package chaos tests servers and workers that are killed at random moments,
// behind a network that drops, repeats, delays and slows down requests. The
// workers keep a log of what they were told; afterwards the database has to
// agree with it. How the long run is started is in ../README.md.
package chaos
