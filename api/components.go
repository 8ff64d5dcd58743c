package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

type componentsOutput struct{ Body types.ComponentList }

func (s *Server) componentRoutes() {
	tags := []string{"server"}
	handle(s, huma.Operation{OperationID: "algorithms", Method: http.MethodGet, Path: "/v1/algorithms", Tags: tags,
		Summary: "The algorithms that studies may name, with their settings"},
		func(context.Context, *nothing) (*componentsOutput, error) {
			return &componentsOutput{algorithms()}, nil
		})
	handle(s, huma.Operation{OperationID: "stoppers", Method: http.MethodGet, Path: "/v1/stoppers", Tags: tags,
		Summary: "The stoppers that studies may name, with their settings"},
		func(context.Context, *nothing) (*componentsOutput, error) { return &componentsOutput{stoppers()}, nil })
}

func algorithms() (out types.ComponentList) {
	for _, a := range builtin.Algorithms() {
		out.Components = append(out.Components, types.ComponentInfo{Name: a.Name, Doc: a.Doc, Version: a.Version,
			Default: a.Name == builtin.DefaultName, SeveralObjectives: a.MultiObjective, Settings: settingsOf(a.Settings)})
	}
	return out
}

func stoppers() (out types.ComponentList) {
	for _, r := range earlystop.Rules() {
		out.Components = append(out.Components, types.ComponentInfo{Name: r.Name, Doc: r.Doc, Version: r.Version,
			Default: r.Name == earlystop.DefaultName, Settings: settingsOf(r.Settings)})
	}
	return out
}

func settingsOf(list []trial.Setting) []types.SettingInfo {
	out := []types.SettingInfo{}
	for _, s := range list {
		v := types.SettingInfo{Name: s.Name, Type: string(s.Type), Doc: s.Doc, Default: s.Default, Min: s.Min, Max: s.Max, Choices: s.Choices}
		switch s.Default.(type) {
		case int64:
			v.Type = string(trial.IntSetting)
		case float64:
			v.Type = string(trial.FloatSetting)
		case bool:
			v.Type = string(trial.BoolSetting)
		case string:
			v.Type = string(trial.StringSetting)
		case nil:
			v.Default = trial.AutoSetting
		}
		out = append(out, v)
	}
	return out
}
