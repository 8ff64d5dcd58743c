package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
)

func backupCommand(st *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database to a new file, also while it is in use",
		Long: `Copies the database to a new file as it is at one moment. Sweeps may go on
meanwhile. The directories of trials are not part of it. tuner restore brings it
back. For PostgreSQL use pg_dump.`,
		Args: wantArgs(1, 1, "backup FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := db.onDatabase(c); err != nil {
				return err
			}
			ctx := c.Context()
			path := st.path(args[0])
			return db.reading(ctx, func(s store.Store) error {
				sq, ok := s.(*sqlstore.Store)
				if !ok {
					return types.Errorf(types.Unsupported, "this database cannot be backed up")
				}
				if err := sq.Backup(ctx, path); err != nil {
					return err
				}
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(st.Stdout, map[string]any{"file": path, "bytes": info.Size()})
				}
				_, err = fmt.Fprintf(st.Stdout, "%s, %s\n", path, formatBytes(info.Size()))
				return err
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func restoreCommand(st *State, db *dbFlags) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the database",
		Long: `Checks a backup whole and puts a copy of it in the place of the database --db.
That is one step: the old database or the new one is there, never half of one. A
database with studies is replaced with --force only, and one that a process
uses never.`,
		Args: wantArgs(1, 1, "restore FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			dsn, err := db.dsn()
			if err != nil {
				return err
			}
			if isPostgres(dsn) {
				return types.Errorf(types.Unsupported, "a PostgreSQL database is restored with its own tools").
					WithRemedy("pg_restore --clean --dbname=\"$TUNER_DB\" FILE")
			}
			if err := sqlstore.Restore(c.Context(), st.path(args[0]), dsn, force); err != nil {
				return err
			}
			_, err = fmt.Fprintf(st.Stdout, "%s is restored from %s\n", dsn, args[0])
			return err
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace a database that has studies, or a damaged one")
	return c
}
