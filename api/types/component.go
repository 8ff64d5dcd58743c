package types

import "time"

// ComponentInfo describes an algorithm or a stopper.
type ComponentInfo struct {
	Name string `json:"name"`
	// Doc is one sentence.
	Doc string `json:"doc"`
	// Version changes whenever it would decide otherwise on the same grounds.
	Version int `json:"version"`
	// Default says that it is the one of studies that name none.
	Default bool `json:"default,omitempty"`
	// SeveralObjectives says that an algorithm takes more than one.
	SeveralObjectives bool          `json:"several_objectives,omitempty"`
	Settings          []SettingInfo `json:"settings"`
}

// SettingInfo describes a setting of a component.
type SettingInfo struct {
	Name string `json:"name"`
	// Type is int, float, bool or string.
	Type string `json:"type"`
	Doc  string `json:"doc"`
	// Default has the type, or is "auto": a number that the component chooses.
	Default any `json:"default"`
	// Min and Max bound numbers, both included.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Choices are all values that a string may have.
	Choices []string `json:"choices,omitempty"`
}

// ComponentList answers for all algorithms or all stoppers, in the order in which
// users see them.
type ComponentList struct {
	Components []ComponentInfo `json:"components"`
}

// Project is the owner of studies, tokens and workers.
type Project struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// Studies is how many it has; listings count them.
	Studies int64 `json:"studies"`
}

// ProjectPage answers a listing of projects.
type ProjectPage struct {
	Projects []Project `json:"projects"`
	// Next is the value of "after" for the next page; "" after the last.
	Next string `json:"next,omitempty"`
}

// ProjectBody makes a project.
type ProjectBody struct {
	Name string `json:"name" maxLength:"128"`
}
