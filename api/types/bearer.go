package types

import (
	"strconv"
	"strings"
)

// attemptPrefix begins the tokens of attempts. Those of people begin otherwise.
const attemptPrefix = "tna_"

// Bearer is the token with which the process of an attempt calls the server: as
// Authorization: Bearer, it gives access to this attempt and ends with it. It is
// made of the lease and asks nobody.
func (r AttemptRef) Bearer() string {
	return attemptPrefix + strconv.FormatInt(r.Study, 10) + "." + strconv.FormatInt(r.Trial, 10) + "." + strconv.Itoa(r.Attempt) + "." + r.Token
}

// IsAttemptBearer reports whether a token is meant to be that of an attempt.
func IsAttemptBearer(token string) bool { return strings.HasPrefix(token, attemptPrefix) }

// ParseBearer is the inverse of Bearer; ok is false for any other text. Whether
// the attempt exists it does not know.
func ParseBearer(token string) (ref AttemptRef, ok bool) {
	rest, ok := strings.CutPrefix(token, attemptPrefix)
	parts := strings.SplitN(rest, ".", 4)
	if !ok || len(parts) != 4 {
		return ref, false
	}
	var errs [3]error
	ref.Study, errs[0] = strconv.ParseInt(parts[0], 10, 64)
	ref.Trial, errs[1] = strconv.ParseInt(parts[1], 10, 64)
	ref.Attempt, errs[2] = strconv.Atoi(parts[2])
	ref.Token = parts[3]
	if errs != [3]error{} || ref.Study < 1 || ref.Trial < 0 || ref.Attempt < 1 || ref.Token == "" || ref.Bearer() != token {
		return AttemptRef{}, false
	}
	return ref, true
}
