package types

import (
	"errors"
	"fmt"
)

// Code classifies an error. It is mapped once to an HTTP status (package api)
// and once to an exit code (package cli).
type Code string

// The codes.
const (
	// Invalid: the request cannot be right, whatever the state.
	Invalid Code = "invalid"
	// NotFound: the named thing does not exist.
	NotFound Code = "not_found"
	// Conflict: the request contradicts what is there (a study of that name
	// with another space, a trial in another state).
	Conflict Code = "conflict"
	// Superseded: the caller's attempt or ownership was taken over by another;
	// it must stop what it does for it.
	Superseded Code = "superseded"
	// Exhausted: the space has no further point.
	Exhausted Code = "exhausted"
	// Unavailable: a passing fault (database busy or full, owner away); the
	// same request may succeed later.
	Unavailable Code = "unavailable"
	// Unsupported: this build or platform cannot do it.
	Unsupported Code = "unsupported"
	// Unauthenticated: the caller does not show who it is, or not in time.
	Unauthenticated Code = "unauthenticated"
	// Forbidden: the caller is known and may not do this.
	Forbidden Code = "forbidden"
	// Internal: a fault of tuner itself.
	Internal Code = "internal"
)

// Error is the error type of every public call. It says what was wrong, where,
// and what to do.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	// Field names the part of the request at fault, such as "space.lr.low".
	Field string `json:"field,omitempty"`
	// Remedy says what to do; a sentence without a final full stop.
	Remedy string `json:"remedy,omitempty"`
	// Err is the cause; it is not sent over the wire.
	Err error `json:"-"`
}

// Error implements error: field, message and remedy in one line.
func (e *Error) Error() string {
	s := e.Message
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error. A %w verb sets the cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithField sets the field and returns e.
func (e *Error) WithField(f string) *Error { e.Field = f; return e }

// WithRemedy sets the remedy and returns e.
func (e *Error) WithRemedy(format string, args ...any) *Error {
	e.Remedy = fmt.Sprintf(format, args...)
	return e
}

// CodeOf returns the code of the first Error in err's tree; Internal if there
// is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
