package api

import (
	"context"
	"crypto/tls"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/aside"
)

// adapter puts huma's operations on echo's router. huma's own adapter package
// serves echo v5 too and would link it into the program.
type adapter struct{ *echo.Echo }

var _ huma.Adapter = adapter{}

// Handle implements huma.Adapter.
func (a adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	a.Add(op.Method, echoPath(op.Path), func(c echo.Context) error {
		x := &echoContext{op: op, c: c}
		if op.Metadata[waits] == nil {
			handler(x)
			return nil
		}
		aside.Run(func() { handler(x) })
		if x.then == nil { // it has answered already
			return nil
		}
		return x.then(c)
	})
}

// echoContext is one request as huma sees it.
type echoContext struct {
	op     *huma.Operation
	c      echo.Context
	status int
	// then is what is left to do once huma is done; see handleWaiting.
	then func(echo.Context) error
}

var _ huma.Context = (*echoContext)(nil)

func (x *echoContext) Operation() *huma.Operation      { return x.op }
func (x *echoContext) Context() context.Context        { return x.c.Request().Context() }
func (x *echoContext) TLS() *tls.ConnectionState       { return x.c.Request().TLS }
func (x *echoContext) Method() string                  { return x.c.Request().Method }
func (x *echoContext) Host() string                    { return x.c.Request().Host }
func (x *echoContext) RemoteAddr() string              { return x.c.Request().RemoteAddr }
func (x *echoContext) URL() url.URL                    { return *x.c.Request().URL }
func (x *echoContext) Param(name string) string        { return x.c.Param(name) }
func (x *echoContext) Query(name string) string        { return x.c.QueryParam(name) }
func (x *echoContext) Header(name string) string       { return x.c.Request().Header.Get(name) }
func (x *echoContext) BodyReader() io.Reader           { return x.c.Request().Body }
func (x *echoContext) Status() int                     { return x.status }
func (x *echoContext) SetHeader(name, value string)    { x.c.Response().Header().Set(name, value) }
func (x *echoContext) AppendHeader(name, value string) { x.c.Response().Header().Add(name, value) }
func (x *echoContext) BodyWriter() io.Writer           { return x.c.Response() }

func (x *echoContext) Version() huma.ProtoVersion {
	r := x.c.Request()
	return huma.ProtoVersion{Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor}
}

func (x *echoContext) EachHeader(do func(name, value string)) {
	for name, values := range x.c.Request().Header {
		for _, v := range values {
			do(name, v)
		}
	}
}

// GetMultipartForm implements huma.Context; no operation takes a form.
func (x *echoContext) GetMultipartForm() (*multipart.Form, error) {
	return nil, types.Errorf(types.Invalid, "forms are not accepted").WithRemedy("send JSON")
}

func (x *echoContext) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(x.c.Response()).SetReadDeadline(t)
}

func (x *echoContext) SetStatus(code int) {
	x.status = code
	x.c.Response().WriteHeader(code)
}
