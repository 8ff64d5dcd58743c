package space

import (
	"fmt"
	"strconv"
	"strings"
)

// Translate carries a point of another version over, by name; ok is false if
// it is not valid here: a value of another type, out of range or off the step,
// an active parameter that the point does not have (unless it is dynamic), a
// constraint that does not hold. Values of parameters that are gone or inactive here are dropped.
func (s *Space) Translate(from *Space, p Point) (q Point, ok bool) {
	q = make(Point, len(s.params))
	for _, i := range s.order {
		if !s.active(i, q) {
			continue
		}
		j := from.Index(s.params[i].Name)
		if s.params[i].Dynamic && (j < 0 || j < len(p) && p[j] == nil) {
			continue // nobody asked for it
		}
		if j < 0 || j >= len(p) || !s.params[i].dim.contains(p[j]) {
			return nil, false
		}
		q[i] = p[j]
	}
	if !s.Feasible(q) {
		return nil, false
	}
	return q, true
}

// ConditionForm writes a condition for people; params are those of its space.
type ConditionForm func(c Condition, params []Parameter) string

// Diff describes in lines how to differs from s; it is empty if they are
// equal. Lines are "lr: low 1e-05 → 1e-06", "+ batch: int 16 to 512" and
// "- act: categorical "relu", "tanh"". Conditions are written by form; nil is their
// canonical JSON.
func (s *Space) Diff(to *Space, form ConditionForm) []string {
	if form == nil {
		form = canonicalCondition
	}
	var lines []string
	for i := range s.params {
		p := &s.params[i]
		j := to.Index(p.Name)
		if j < 0 {
			lines = append(lines, "- "+p.summaryWhen(form, s.params))
			continue
		}
		for _, d := range p.diff(&to.params[j]) {
			lines = append(lines, p.Name+": "+d)
		}
		if a, b := whenDiff(p.When, to.params[j].When, s.params, to.params, form); a != b {
			lines = append(lines, p.Name+": when "+a+" → "+b)
		}
	}
	for j := range to.params {
		if q := &to.params[j]; s.Index(q.Name) < 0 {
			lines = append(lines, "+ "+q.summaryWhen(form, to.params))
		}
	}
	a, b := s.Constraints(), to.Constraints()
	lines = append(lines, listDiff("constraint", a, b)...)
	if s.open != to.open {
		lines = append(lines, fmt.Sprintf("open: %t → %t", s.open, to.open))
	}
	if len(lines) == 0 && s.String() != to.String() {
		lines = append(lines, "the order of the parameters or constraints differs")
	}
	return lines
}

// summary is the parameter in one line, without its condition.
func (p *Parameter) summary() string {
	line := p.Name + ": " + string(p.Kind)
	if p.Numeric() {
		line += fmt.Sprintf(" %s to %s", literal(p.Low), literal(p.High))
		if p.Step != nil {
			line += " step " + literal(p.Step)
		}
		if p.Scale != Linear {
			line += " " + string(p.Scale)
		}
	} else {
		line += " " + p.choiceTexts()
	}
	return line
}

// choiceTexts lists all choices, with their text where it is not the value's.
func (p *Parameter) choiceTexts() string {
	names := make([]string, len(p.Choices))
	for i, c := range p.Choices {
		names[i] = literal(c.Value)
		if c.Text != canonicalText(c.Value) {
			names[i] += " written " + c.Text
		}
	}
	return strings.Join(names, ", ")
}

func (p *Parameter) diff(q *Parameter) []string {
	var lines []string
	for _, f := range []struct{ name, a, b string }{
		{"type", string(p.Kind), string(q.Kind)},
		{"low", orNone(p.Low), orNone(q.Low)},
		{"high", orNone(p.High), orNone(q.High)},
		{"step", orNone(p.Step), orNone(q.Step)},
		{"scale", orText(string(p.Scale)), orText(string(q.Scale))},
		{"choices", orText(p.choiceTexts()), orText(q.choiceTexts())},
		{"default", orNone(p.Default), orNone(q.Default)},
		{"prior", p.Prior.summary(), q.Prior.summary()},
		{"grid", gridText(p.Grid), gridText(q.Grid)},
		{"dynamic", strconv.FormatBool(p.Dynamic), strconv.FormatBool(q.Dynamic)},
	} {
		if f.a != f.b {
			lines = append(lines, fmt.Sprintf("%s %s → %s", f.name, f.a, f.b))
		}
	}
	return lines
}

func orNone(v Value) string {
	if v == nil {
		return "none"
	}
	return literal(v)
}

func orText(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (p *Prior) summary() string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("mean %s sd %s", literal(p.Mean), literal(p.SD))
}

func gridText(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

func canonicalCondition(c Condition, _ []Parameter) string { return string(appendCondition(nil, c)) }

// summaryWhen is the summary with the condition.
func (p *Parameter) summaryWhen(form ConditionForm, params []Parameter) string {
	if p.When == nil {
		return p.summary()
	}
	return p.summary() + " when " + form(p.When, params)
}

// whenDiff writes two conditions, which are equal if the texts are. Two that only
// look alike, such as of the choices "1" and 1, are written as JSON.
func whenDiff(a, b Condition, from, to []Parameter, form ConditionForm) (was, is string) {
	write := func(c Condition, params []Parameter, form ConditionForm) string {
		if c == nil {
			return "always"
		}
		return form(c, params)
	}
	jsonA, jsonB := write(a, from, canonicalCondition), write(b, to, canonicalCondition)
	if was, is = write(a, from, form), write(b, to, form); jsonA == jsonB || was == is {
		return jsonA, jsonB
	}
	return was, is
}

// listDiff names what is only in a and only in b, counting repetitions.
func listDiff(what string, a, b []string) []string {
	count := map[string]int{}
	for _, t := range b {
		count[t]++
	}
	var lines []string
	for _, t := range a {
		if count[t]--; count[t] < 0 {
			lines = append(lines, "- "+what+" "+t)
		}
	}
	for _, t := range b {
		if count[t] > 0 {
			count[t]--
			lines = append(lines, "+ "+what+" "+t)
		}
	}
	return lines
}
