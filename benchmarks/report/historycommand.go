package report

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/sqlstore"
)

const aboutCurves = `Draws the learning curves of a study as SVG: pruned trials end in a cross, the best
one is thick.

  go run ./benchmarks/benchreport curves --db bin/demo/tuner/tuner.db --study digits --out curves.svg

`

// curvesCommand is benchreport curves.
type curvesCommand struct{ db, study, project, out string }

func parseCurves(args []string, stderr io.Writer) (*curvesCommand, error) {
	c := &curvesCommand{}
	fs := flag.NewFlagSet("benchreport curves", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.db, "db", "", "`database` of the study: a file or postgres://…, as tuner sweep prints it")
	fs.StringVar(&c.study, "study", "", "`name` of the study")
	fs.StringVar(&c.project, "project", "default", "`project` of the study")
	fs.StringVar(&c.out, "out", "", "`file` of the picture (default the study's name with .svg)")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(stderr)
		fmt.Fprint(stderr, aboutCurves)
		fs.PrintDefaults()
		return nil, err
	} else if err != nil {
		return nil, types.Errorf(types.Invalid, "%w", err).WithRemedy("benchreport curves --help lists the flags")
	}
	switch {
	case fs.NArg() > 0:
		return nil, types.Errorf(types.Invalid, "%q is no flag", fs.Arg(0)).WithRemedy("benchreport curves --help lists the flags")
	case c.db == "":
		return nil, types.Errorf(types.Invalid, "it is missing").WithField("--db").WithRemedy("name the database, as tuner sweep prints it")
	case c.study == "":
		return nil, types.Errorf(types.Invalid, "it is missing").WithField("--study").WithRemedy("tuner ls --db %s lists the studies", c.db)
	}
	if !strings.Contains(c.db, "://") {
		if _, err := os.Stat(strings.TrimPrefix(c.db, "sqlite:")); err != nil { // else it would be made
			return nil, types.Errorf(types.Invalid, "%w", err).WithField("--db").WithRemedy("name the database, as tuner sweep prints it")
		}
	}
	if c.out == "" {
		c.out = filepath.Base(c.study) + ".svg"
	}
	return c, nil
}

func (c *curvesCommand) run(stdout io.Writer) error {
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, sqlstore.Config{DSN: c.db})
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // it was only read
	study, err := db.Study(ctx, c.project, c.study)
	if err != nil {
		return at("--study", err)
	}
	h, err := ReadHistory(ctx, db, study)
	if err != nil {
		return err
	}
	picture, err := HistoryPicture(filepath.Base(c.out), h)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.out, picture.SVG, 0o644); err != nil {
		return types.Errorf(types.Invalid, "%w", err).WithField("--out")
	}
	_, err = fmt.Fprintf(stdout, "%s, with the curves of %d trials\n", c.out, len(h.Trials))
	return err
}
