package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsPage string

// docsStyle is the page's only style; its hash is what the browser may apply.
const docsStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f3f3f3;border-radius:3px;padding:.1em .3em}pre{overflow-x:auto;padding:.6em}
h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin-bottom:.2rem}table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}code,pre{background:#2a2a2a}}`

type (
	docsOutput struct {
		Type string `header:"Content-Type"`
		CSP  string `header:"Content-Security-Policy"`
		Body []byte
	}
	// docsGroup is what the page shows of a tag.
	docsGroup struct {
		Tag        string
		Operations []docsOperation
	}
	docsOperation struct {
		Method, Path string
		*huma.Operation

		Body string // the schema of the request, as JSON
		Out  string // that of the answer
	}
)

func (s *Server) docsRoutes() {
	handle(s, huma.Operation{OperationID: "docs", Method: http.MethodGet, Path: "/docs", Tags: []string{"server"},
		Summary: "The OpenAPI document as a page to read",
		Responses: map[string]*huma.Response{"200": {Description: "The page", Content: map[string]*huma.MediaType{
			"text/html": {Schema: &huma.Schema{Type: huma.TypeString}}}}}}, s.docs)
}

// docs renders the document. The page is made of what every tuner has and of no
// data; it loads nothing and runs no script.
func (s *Server) docs(context.Context, *nothing) (*docsOutput, error) {
	t, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	doc := s.api.OpenAPI()
	style := template.CSS(docsStyle) //nolint:gosec // it is the constant above
	err = t.Execute(&b, map[string]any{"Style": style, "Info": doc.Info, "Groups": groups(doc), "Schemas": schemas(doc)})
	hash := sha256.Sum256([]byte(docsStyle))
	return &docsOutput{"text/html; charset=utf-8",
		"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", b.Bytes()}, err
}

func groups(doc *huma.OpenAPI) (out []docsGroup) {
	byTag := map[string][]docsOperation{}
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Delete, item.Put} {
			if op == nil {
				continue
			}
			d := docsOperation{Method: op.Method, Path: path, Operation: op}
			if op.RequestBody != nil {
				d.Body = schemaName(op.RequestBody.Content)
			}
			for _, status := range []string{"200", "201"} {
				if r := op.Responses[status]; r != nil {
					d.Out = schemaName(r.Content)
				}
			}
			byTag[op.Tags[0]] = append(byTag[op.Tags[0]], d)
		}
	}
	for tag, ops := range byTag {
		slices.SortFunc(ops, func(a, b docsOperation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
		out = append(out, docsGroup{tag, ops})
	}
	slices.SortFunc(out, func(a, b docsGroup) int { return strings.Compare(a.Tag, b.Tag) })
	return out
}

// schemaName is the name of the schema of a body in JSON; "" if it has none.
func schemaName(content map[string]*huma.MediaType) string {
	m := content["application/json"]
	if m == nil || m.Schema == nil {
		return ""
	}
	return m.Schema.Ref[strings.LastIndexByte(m.Schema.Ref, '/')+1:]
}

// schemas are the schemas by name, as JSON to read.
func schemas(doc *huma.OpenAPI) map[string]string {
	out := map[string]string{}
	for name, schema := range doc.Components.Schemas.Map() {
		b, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			continue // the document itself could not be written then
		}
		out[name] = string(b)
	}
	return out
}
