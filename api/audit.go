package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gotuner/tuner/api/types"
)

// audited reports whether a request belongs into the audit log: what people
// change, and what anybody was refused. What workers do is in the database, by
// attempt, and would drown the rest.
func (c *call) audited(method string, status int) bool {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return true
	case !c.routed || c.dry || method == http.MethodGet || method == http.MethodHead:
		return false
	}
	return c.needs == create || c.needs == change || c.needs == manage || c.needs == administer
}

// audit notes who did what on which study, when it has been answered. Of a
// study's specification it keeps the command, for that is what workers may run.
func (s *Server) audit(r *http.Request, this *call, status int) {
	if s.cfg.Audit == nil || !this.audited(r.Method, status) {
		return
	}
	entry := slog.NewRecord(s.cfg.Now(), slog.LevelInfo, "request", 0)
	entry.AddAttrs(slog.String("request", this.id), slog.String("token", this.caller()))
	if this.attempt == nil && this.token.Name != "" {
		entry.AddAttrs(slog.String("owner", this.token.Owner), slog.String("role", string(this.token.Role)))
	}
	entry.AddAttrs(slog.String("from", this.from), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status))
	if this.study != 0 {
		entry.AddAttrs(slog.Int64("study", this.study))
	}
	if this.subject != "" {
		entry.AddAttrs(slog.String("subject", this.subject))
	}
	if this.command != nil {
		entry.AddAttrs(slog.Any("command", this.command))
	}
	if err := s.cfg.Audit.Handler().Handle(context.WithoutCancel(r.Context()), entry); err != nil {
		s.cfg.Logger.Error("the audit log cannot be written", "request", this.id, "error", err)
	}
}

// opened notes for the audit log what a request to open a study asked for.
func (c *call) opened(spec *types.StudySpec, id int64, dry bool) {
	c.dry, c.study = dry, id
	if spec.Run != nil {
		c.command = spec.Run.Command
	}
}
