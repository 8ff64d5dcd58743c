package types

import "time"

// TokenBody asks for a token.
type TokenBody struct {
	Name string `json:"name" maxLength:"128"`
	// Role is admin, submit, worker or viewer.
	Role string `json:"role"`
	// Owner is whose it is: studies made with it belong to the owner; "" is Name.
	Owner string `json:"owner,omitempty" maxLength:"128"`
	// Projects are those that it is for; ["*"] is all. None is default, and for an
	// admin all.
	Projects []string `json:"projects,omitempty" maxItems:"1000"`
	// For is how long it is good; 0 is until it is revoked.
	For Duration `json:"for,omitempty"`
}

// Token is a right to use a server, as a client sees it.
type Token struct {
	Name     string     `json:"name"`
	Role     string     `json:"role"`
	Owner    string     `json:"owner,omitempty"`
	Projects []string   `json:"projects,omitempty"` // none is all
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires,omitempty"`
	// Secret is what its holder shows. Only the answer to its making has it.
	Secret string `json:"token,omitempty"`
}

// TokenPage answers a listing of tokens.
type TokenPage struct {
	Tokens []Token `json:"tokens"`
	// Next is the value of "after" for the next page; "" after the last.
	Next string `json:"next,omitempty"`
}
