package types

import "encoding/json"

// ExtendRequest asks for the values of parameters in a running trial, in a study
// whose space is open: a program names its parameters while it runs. One that
// the space does not have is added to it, as a new version.
//
// It is idempotent: a parameter that was drawn in the trial before has the same
// value again.
type ExtendRequest struct {
	Ref AttemptRef `json:"ref"`
	// Parameters are in the canonical JSON form of a space's
	// (docs/guide/space.md), without conditions. One of the space's must be the
	// same; a difference is a Conflict that names it.
	Parameters []json.RawMessage `json:"parameters"`
}

// ExtendReply answers an ExtendRequest.
type ExtendReply struct {
	// Params are the values in the order of the request.
	Params Params `json:"params"`
	// SpaceVersion is the version of the space that has all of them.
	SpaceVersion int `json:"space_version"`
}

// ExtendBody is an ExtendRequest of the attempt in the path.
type ExtendBody struct {
	// Token is that of the lease; a request with an attempt's token needs none.
	Token      string            `json:"token,omitempty"`
	Parameters []json.RawMessage `json:"parameters"`
}
