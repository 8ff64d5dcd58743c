package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// TokenHome is the project in which all tokens are kept, whatever they are for.
const TokenHome = "default"

// allProjects stands for all projects in a request for a token.
const allProjects = "*"

var tokenName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// MakeToken is the token that b asks for, with a new secret, which is not stored.
// The error is Invalid and its field one of b's.
func MakeToken(b types.TokenBody, now time.Time) (t store.Token, secret string, err error) {
	t = store.Token{Project: TokenHome, Name: b.Name, Role: store.Role(b.Role), Owner: cmp.Or(b.Owner, b.Name), Created: now}
	const remedy = "use letters, digits, '.', '_' and '-'"
	switch {
	case !tokenName.MatchString(b.Name):
		return t, "", types.Errorf(types.Invalid, "%q is no name of a token", b.Name).WithField("name").WithRemedy(remedy)
	case b.Role == "":
		return t, "", types.Errorf(types.Invalid, "say what the token may do").WithField("role").
			WithRemedy("use one of %s; tuner help security explains them", roleNames())
	case !slices.Contains(store.Roles(), t.Role):
		return t, "", types.Errorf(types.Invalid, "%q is none of its values", b.Role).WithField("role").WithRemedy("use one of %s", roleNames())
	case !tokenName.MatchString(t.Owner):
		return t, "", types.Errorf(types.Invalid, "%q is no name of an owner", b.Owner).WithField("owner").WithRemedy(remedy)
	case b.For < 0:
		return t, "", types.Errorf(types.Invalid, "%v is no time that a token could last", time.Duration(b.For)).WithField("for")
	case slices.Contains(b.Projects, allProjects) && len(b.Projects) > 1:
		return t, "", types.Errorf(types.Invalid, "%s is all projects, and others are named beside it", allProjects).WithField("projects").
			WithRemedy("keep one of the two")
	}
	for _, p := range b.Projects {
		if p != allProjects && !tokenName.MatchString(p) {
			return t, "", types.Errorf(types.Invalid, "%q is no name of a project", p).WithField("projects").WithRemedy(remedy + "; '*' is all projects")
		}
	}
	switch {
	case slices.Contains(b.Projects, allProjects), len(b.Projects) == 0 && t.Role == store.RoleAdmin:
	case len(b.Projects) == 0:
		t.Projects = []string{"default"}
	default:
		t.Projects = slices.Compact(slices.Sorted(slices.Values(b.Projects)))
	}
	if b.For > 0 {
		t.Expires = now.Add(time.Duration(b.For))
	}
	secret = NewToken()
	t.Hash = HashToken(secret)
	return t, secret, nil
}

func roleNames() string {
	var out []string
	for _, r := range store.Roles() {
		out = append(out, string(r))
	}
	return strings.Join(out, ", ")
}

// TokenView is a token as clients see it.
func TokenView(t *store.Token) types.Token {
	v := types.Token{Name: t.Name, Role: string(t.Role), Owner: t.Owner, Projects: t.Projects, Created: t.Created}
	if !t.Expires.IsZero() {
		v.Expires = &t.Expires
	}
	return v
}

type (
	listTokensInput struct {
		After string `query:"after" maxLength:"128" doc:"Name after which the page begins: next of the page before"`
		Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most tokens of a page"`
	}
	tokensOutput     struct{ Body types.TokenPage }
	createTokenInput struct{ Body types.TokenBody }
	tokenOutput      struct{ Body types.Token }
	revokeTokenInput struct {
		Name string `path:"token" maxLength:"128" doc:"Name of the token"`
	}
)

func (s *Server) tokenRoutes() {
	tags := []string{"tokens"}
	handle(s, huma.Operation{OperationID: "listTokens", Method: http.MethodGet, Path: "/v1/tokens", Tags: tags,
		Summary: "The tokens by name, without their secrets, which are not kept"}, s.listTokens)
	handle(s, huma.Operation{OperationID: "createToken", Method: http.MethodPost, Path: "/v1/tokens", Tags: tags,
		Summary: "Make a token. The answer is the only one that has its secret (token)", DefaultStatus: http.StatusCreated}, s.createToken)
	handle(s, huma.Operation{OperationID: "revokeToken", Method: http.MethodDelete, Path: "/v1/tokens/{token}", Tags: tags,
		Summary: "Make a token useless; other servers of the database notice within 5 s", DefaultStatus: http.StatusOK}, s.revokeToken)
}

func (s *Server) listTokens(ctx context.Context, in *listTokensInput) (*tokensOutput, error) {
	all, err := s.cfg.Store.ListTokens(ctx, TokenHome)
	if err != nil {
		return nil, err
	}
	out := tokensOutput{types.TokenPage{Tokens: []types.Token{}}}
	for i := range all {
		if all[i].Name <= in.After {
			continue
		}
		if len(out.Body.Tokens) == in.Limit {
			out.Body.Next = out.Body.Tokens[in.Limit-1].Name
			break
		}
		out.Body.Tokens = append(out.Body.Tokens, TokenView(&all[i]))
	}
	return &out, nil
}

func (s *Server) createToken(ctx context.Context, in *createTokenInput) (*tokenOutput, error) {
	t, secret, err := MakeToken(in.Body, s.cfg.Now())
	if err != nil {
		return nil, err
	}
	callOf(ctx).subject = fmt.Sprintf("%s (%s of %s; projects: %s)", t.Name, t.Role, t.Owner, cmp.Or(strings.Join(t.Projects, " "), "all"))
	if t, err = s.cfg.Store.AddToken(ctx, t); err != nil {
		return nil, err
	}
	out := tokenOutput{TokenView(&t)}
	out.Body.Secret = secret
	return &out, nil
}

func (s *Server) revokeToken(ctx context.Context, in *revokeTokenInput) (*tokenOutput, error) {
	callOf(ctx).subject = in.Name
	all, err := s.cfg.Store.ListTokens(ctx, TokenHome)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(t store.Token) bool { return t.Name == in.Name })
	switch {
	case i < 0:
		return nil, store.NoToken(TokenHome, in.Name)
	case all[i].ID == callOf(ctx).token.ID:
		return nil, types.Errorf(types.Conflict, "%s is the token of this request, and without it nobody may be left who could make another", in.Name).WithField("token").
			WithRemedy("make another admin's first and revoke this one with that, or use tuner token revoke where the server runs")
	}
	if err := s.cfg.Store.DropToken(ctx, TokenHome, in.Name); err != nil {
		return nil, err
	}
	s.tokens.forget()
	return &tokenOutput{TokenView(&all[i])}, nil
}

// forget makes all tokens be looked up again.
func (k *tokens) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.known)
}
