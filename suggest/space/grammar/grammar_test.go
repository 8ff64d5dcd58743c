package grammar

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// form is the canonical JSON of the parameters, one a line.
func form(t *testing.T, args ...string) string {
	t.Helper()
	params, _, err := ParseAll(args)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	s, err := space.New(params, nil)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	text := strings.TrimSuffix(strings.TrimPrefix(string(s.AppendJSON(nil)), `{"parameters":[`), "]}")
	return strings.ReplaceAll(text, `},{"name"`, "}\n{\"name\"")
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ arg, want string }{
		// The examples of the contract.
		{"lr=1e-5..1e-1:log", `"type":"float","low":0.00001,"high":0.1,"scale":"log"`},
		{"layers=1..8", `"type":"int","low":1,"high":8`},
		{"drop=0.0..0.8..0.1", `"type":"float","low":0.0,"high":0.8,"step":0.1`},
		{"opt=sgd,adam", `"type":"categorical","choices":["sgd","adam"]`},
		{"bs=16..128..x2", `"type":"ordinal","choices":[16,32,64,128]`},
		// Ranges.
		{"a=0..1:int", `"type":"int","low":0,"high":1`},
		{"a=0..1:float", `"type":"float","low":0.0,"high":1.0`},
		{"a=0.0..1", `"type":"float","low":0.0,"high":1.0`},
		{"a=-5..5", `"type":"int","low":-5,"high":5`},
		{"a=-1.5..+1.5", `"type":"float","low":-1.5,"high":1.5`},
		{"a=0..10..2", `"type":"int","low":0,"high":10,"step":2`},
		{"a=0..10..1", `"type":"int","low":0,"high":10`},
		{"a=0..1..0.25:float", `"type":"float","low":0.0,"high":1.0,"step":0.25`},
		{"a=1..1e3", `"type":"float","low":1.0,"high":1000.0`},
		{"a=1..1e3:int:log", `"type":"int","low":1,"high":1000,"scale":"log"`},
		{"a=0.9..0.999:revlog", `"type":"float","low":0.9,"high":0.999,"scale":"reverse-log"`},
		{"a=1..8:n=3", `"type":"int","low":1,"high":8,"grid":3`},
		{"a=0.0..1.0:n=5:default=0.5", `"type":"float","low":0.0,"high":1.0,"default":0.5,"grid":5`},
		{"a=0.0..1.0:default=1", `"type":"float","low":0.0,"high":1.0,"default":1.0`},
		{"a=1..8:default=2e0", `"type":"int","low":1,"high":8,"default":2`},
		{" a= 1 .. 8 : log ", ""}, // a name has no space
		{"a= 1 .. 8 : log ", `"type":"int","low":1,"high":8,"scale":"log"`},
		{"a=1e-4..1e-1..x10", `"type":"ordinal","choices":[0.0001,0.001,0.01,0.1]`},
		{"a=16..54..x1.5", `"type":"ordinal","choices":[16,24,36,54]`},
		{"a=1..2.25..x1.5", `"type":"ordinal","choices":[1.0,1.5,2.25]`},
		{"a=1..4..x2:float:default=4", `"type":"ordinal","choices":[1.0,2.0,4.0],"default":4.0`},
		// Choices.
		{"a=1,2,3", `"type":"categorical","choices":[1,2,3]`},
		{"a=1,2.5", `"type":"categorical","choices":[{"value":1.0,"text":"1"},2.5]`},
		{"a=1.10,001", `"type":"categorical","choices":[{"value":1.1,"text":"1.10"},{"value":1.0,"text":"001"}]`},
		{"a=1.10,001:str", `"type":"categorical","choices":["1.10","001"]`},
		{"a=1,2:float", `"type":"categorical","choices":[{"value":1.0,"text":"1"},{"value":2.0,"text":"2"}]`},
		{"a=1.0,2e1:int", `"type":"categorical","choices":[{"value":1,"text":"1.0"},{"value":20,"text":"2e1"}]`},
		{"a=1,auto", `"type":"categorical","choices":[1,"auto"]`},
		{"a=-1,+1,.5", `"type":"categorical","choices":[{"value":-1.0,"text":"-1"},{"value":1.0,"text":"+1"},{"value":0.5,"text":".5"}]`},
		{"a=nan,inf,0x10,1_0,1.2.3", `"type":"categorical","choices":["nan","inf","0x10","1_0","1.2.3"]`},
		{"a=true,false", `"type":"bool","choices":[true,false]`},
		{"a=false,true:default=true", `"type":"bool","default":true`},
		{"a=True,False", `"type":"categorical","choices":["True","False"]`},
		{"a=True,False:bool", `"type":"bool","choices":[{"value":true,"text":"True"},{"value":false,"text":"False"}]`},
		{"a=0,1:bool", `"type":"bool","choices":[{"value":false,"text":"0"},{"value":true,"text":"1"}]`},
		{"a=true,false,auto", `"type":"categorical","choices":[true,false,"auto"]`},
		{"a=s,m,l:ordinal:default=m", `"type":"ordinal","choices":["s","m","l"],"default":"m"`},
		{"a=x", `"type":"constant","choices":["x"]`},
		{"a=42", `"type":"constant","choices":[42]`},
		{"a=42:str", `"type":"constant","choices":["42"]`},
		{"a=../a", `"type":"constant","choices":["../a"]`},
		{"a=..", `"type":"constant","choices":[".."]`},
		{"a=../a,b..c,../../d", `"type":"categorical","choices":["../a","b..c","../../d"]`},
		{"a=x=1,y=2", `"type":"categorical","choices":["x=1","y=2"]`},
		{"a=sgd, adam", `"type":"categorical","choices":["sgd","adam"]`},
		{"a=relu(x),tanh(x)", `"type":"categorical","choices":["relu(x)","tanh(x)"]`},
		// What looks like a range in another notation and is none.
		{"a=1-8:str", `"type":"constant","choices":["1-8"]`},
		{"a=8-1", `"type":"constant","choices":["8-1"]`},
		{"a=2024-01-01", `"type":"constant","choices":["2024-01-01"]`},
		{"a=1-3,4-6", `"type":"categorical","choices":["1-3","4-6"]`},
		{"a=linear,log", `"type":"categorical","choices":["linear","log"]`},
		{"a=0.5,1,log2,log", `"type":"categorical","choices":[0.5,1,"log2","log"]`},
		{"a=a~b", `"type":"constant","choices":["a~b"]`},
		{"a.b-c_d=1..2", `"type":"int","low":1,"high":2`},
		// Functions.
		{"a=loguniform(1e-5,1e-1)", `"type":"float","low":0.00001,"high":0.1,"scale":"log"`},
		{"a=uniform(0, 1)", `"type":"float","low":0.0,"high":1.0`},
		{"a=uniform(0,1):n=3:default=.5", `"type":"float","low":0.0,"high":1.0,"default":0.5,"grid":3`},
		{"a=int(0,1)", `"type":"int","low":0,"high":1`},
		{"a=int(1,64):log", `"type":"int","low":1,"high":64,"scale":"log"`},
		{"a=choice(1,2)", `"type":"categorical","choices":[1,2]`},
		{"a=choice(http://a:80,u@b):default=u@b", ""},
		{"a=choice(http://a:80,u@b)", `"type":"categorical","choices":["http://a:80","u@b"]`},
		{"a=normal(0.5,0.1,0,1)", `"type":"float","low":0.0,"high":1.0,"prior":{"mean":0.5,"sd":0.1}`},
		{"a=normal(5,2.5,0,10):int", `"type":"int","low":0,"high":10,"prior":{"mean":5.0,"sd":2.5}`},
		// JSON.
		{`a:=["http://a:80","x,y"]`, `"type":"categorical","choices":["http://a:80","x,y"]`},
		{`a:=[1,2.0,true,"3"]`, `"type":"categorical","choices":[1,2.0,true,"3"]`},
		{`a:=[true,false]`, `"type":"bool","choices":[true,false]`},
		{`a:=["",{"value":1,"text":"one"}]`, `"type":"categorical","choices":["",{"value":1,"text":"one"}]`},
		{`a:=3`, `"type":"constant","choices":[3]`},
		{`a:="~/x & <y>"`, `"type":"constant","choices":["~/x & <y>"]`},
		{`a:= {"type":"float","low":0,"high":1,"prior":{"mean":0.5,"sd":2}}`, `"type":"float","low":0.0,"high":1.0,"prior":{"mean":0.5,"sd":2.0}`},
	} {
		t.Run(tt.arg, func(t *testing.T) {
			if tt.want == "" {
				if _, err := Parse(tt.arg); err == nil {
					t.Fatal("no error")
				}
				return
			}
			got := form(t, tt.arg)
			name := strings.TrimSuffix(tt.arg[:strings.Index(tt.arg, "=")], ":")
			if diff := cmp.Diff(`{"name":"`+name+`",`+tt.want+"}", got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestErrors has the whole sentence for what people type most, else a part.
func TestErrors(t *testing.T) {
	for _, tt := range []struct{ arg, want string }{
		{"a=0..1", "space.a: 0..1 can be meant as two whole numbers or as all numbers between; write 0..1:int or 0.0..1.0 (or true,false)"},
		{"lr=1e-5..le-1", "space.lr: 1e-5..le-1 is no range; write numbers with digits on both sides of a point, as in 1e-5..1e-1, 1..8, 0.0..0.8..0.1 or 16..512..x2; a text that has two points goes as JSON: 'lr:=[\"1e-5..le-1\"]'"},
		{"a=0.0..1.0..0.3", "the last value is 0.9; write 0.9 as the high end, or change the step"},
		{"a=16..512..x100", "space.a: the factor 100 leads beyond the high end 512 at once; write a smaller factor, as in 16..512..x2"},
		{"a=16..500..x2", "space.a: the high end 500 is not reached from 16 in factors of 2; the last value is 256; write 16..256..x2"},
		{"a=2024-01-01..2024-02-01", "space.a: 2024-01-01..2024-02-01 is a range of dates, and dates are no numbers; use a day offset, such as a=0..31, and let the program add it to 2024-01-01"},
		{"a=~/x,b", "space.a: the choice ~/x begins with a ~ that the shell has not expanded; write $HOME/x"},
		{"a=1..8:logarithmic", "the modifier :logarithmic is unknown; known are log, revlog, int"},
		{"m=0.0..0.9&opt=sgd", "the sign & has no meaning in 0.0..0.9&opt=sgd; join conditions with a second @"},
		{"m=0.0..0.9@l<3", "the sign < has no meaning"},
		{"m=0.0..0.9@l>3", "write a condition on numbers as a range, as in @layers=2.. or @layers=..4"},

		// A range in another notation.
		{"lr=1e-5-1e-1", "space.lr: 1e-5-1e-1 is a text and no range; did you mean lr=1e-5..1e-1? A text is written as lr=1e-5-1e-1:str"},
		{"a=1-8", "did you mean a=1..8?"},
		{"a=-1--0.5:float", "did you mean a=-1..-0.5?"},
		{"a=1 - 8:log", "did you mean a=1..8?"},
		{"a=.1–.5", "did you mean a=0.1..0.5?"},
		{"a=1e-5 to 1e-1", "did you mean a=1e-5..1e-1?"},
		{"a=0 1", "did you mean a=0.0..1.0?"},
		{"a=1..8 log", "space.a: 1..8 log has spaces in it; did you mean a=1..8:log?"},
		{"a=1..8,log", "write modifiers behind a colon: 1..8:log"},
		{"a=1..8, log, n=3", "write modifiers behind a colon: 1..8:log:n=3"},
		{"a=1..8,5", "write one range, or list all values"},
		{"a=[1e-5,1e-1]", "space.a: [1e-5,1e-1] begins with a bracket; did you mean the range a=1e-5..1e-1? The two choices are a=1e-5,1e-1"},
		{"a=(1, 8)", "did you mean the range a=1..8? The two choices are a=1,8"},
		{"a=[16,32,64]", "write choices without it: a=16,32,64"},
		{"a=[x", "or JSON behind := as in 'a:=[1,2]'"},
		{"a=1e-5,1e-1,log", `did you mean a=1e-5..1e-1:log? A text of that name goes as JSON: 'a:=["1e-5","1e-1","log"]'`},
		{"a=1,2,4,ordinal", `modifiers stand behind a colon, as in 1,2,4:ordinal`},
		{"a=1,2,..,8", "did you mean the range a=1..8? Choices are listed one by one"},
		{"a=8,..,1", "list all values"},
		{"a=1..8:lg", "the modifier :lg is unknown; did you mean :log? Known are log, revlog"},
		{"a=1..8:Log", "did you mean :log?"},
		{"a=1..8:defualt=3", "did you mean :default=3?"},

		{"lr", `space: "lr" has no =; write the name, = and the values`},
		{"", "has no ="},
		{"=1..2", "the parameter has no name"},
		{"--lr=1..2", "write lr; the command's flag is made from it"},
		{"a b=1..2", `"a b" is no name; use a letter or _ first`},
		{"1a=1..2", "is no name"},
		{"lr:log=1..2", `write = after the name and modifiers at the end`},
		{"args=1..2", "the name args is reserved"},
		{"trial.x=1..2", "is reserved"},
		{"a=", "there are no values behind a="},
		{"a=1..2\x00", "zero byte"},
		{"a=1.0e-5:1e-1", "write 1.0e-5..1e-1"},
		{"a=[1,2]", "begins with a bracket"},
		{"a=1…2", "write two points"},
		{"a=a..b", "is no range"},
		{"a=1..", "is no range"},
		{"a=..1", "is no range"},
		{"a=1..2..3..4", "is no range"},
		{"a=1...2", "is no range"},
		{"a=1...5", "is no range"},
		{"a=.1...5", "is no range"},
		{"a=1..3,5..7", "is a list with the range 1..3 in it"},
		{"a=1..8/2", "is no range"},
		{"a=5..1", "the low end 5 is above the high end 1"},
		{"a=0.0..1.0:log", "needs a low end above 0"},
		{"a=0..8..0", "the step is 0"},
		{"a=1..8..20", "is beyond the range"},
		{"a=0..10..0.5", "write 0.0..10.0..0.5"},
		{"a=0.5..2:int", "0.5 is no whole number"},
		{"a=1..99999999999999999999", "does not fit a 64-bit integer"},
		{"a=1.0..1e999", "does not fit a 64-bit float"},
		{"a=0..8..x2", "begins at 0, and no factor leads away"},
		{"a=8..1..x2", "swap them"},
		{"a=1..8..x1", "does not grow"},
		{"a=1.0..8.0..x1.0001", "more than 1000 values"},
		{"a=1.0..1e-999999999..x2", "above the high end"},
		{"a=1..2.25..x1.5:int", "no whole number"},
		{"a=16..64..x2:log", "does not go with a geometric range"},
		{"a=1..8:ordinal", "the values are in order already"},
		{"a=1..8:str", "does not go with a range"},
		{"a=1..8:bool", "write true,false"},
		{"a=1..8:log:log", "given twice"},
		{"a=1..8:log:revlog", "exclude each other"},
		{"a=1..8:int:float", "exclude each other"},
		{"a=1,2:int:str", "exclude each other"},
		{"a=1..8:log=2", "takes no value"},
		{"a=1..8:n", "write :n=5"},
		{"a=1..8:n=0", "write a whole number from 1 on"},
		{"a=1..8:n=x", "write a whole number from 1 on"},
		{"a=1..8:", "nothing stands behind a colon"},
		{"a=1..8:default=9", "the default 9 cannot be: it is 9, which is above the high end 8"},
		{"a=1..8:default=x", "x is no number"},
		{"a=x,y:default=z", "z is none of the choices"},
		{"a=x,y:log", "write a range such as 1e-5..1e-1:log"},
		{"a=x,y:int", "the choice x is no whole number; leave :int out"},
		{"a=1.5,2:int", "no whole number"},
		{"a=x,y:float", "is no number"},
		{"a=x,y:bool", "is no bool"},
		{"a=x:ordinal", "does not go with a single value"},
		{"a=true,false:ordinal", "does not go with true and false"},
		{"a=x,,y", `remove a comma, or give an empty text as JSON: 'a:=["x","","y"]'`},
		{"a=x,", "empty choice"},
		{"a=x,x", "is there twice"},
		{"a=1,1.0", "are the same value; leave one out, or add :str"},
		{"a=99999999999999999999,1", "add :str"},
		{"a=http://a:80,b", "a choice that has a colon goes as JSON"},
		{"a=u@b,c", "goes as JSON"},
		{"a=1..8@", "is no condition"},
		{"a=1..8@b", "write @b=true for a bool"},
		{"a=1..8@b=", "has no values"},
		{"a=1.0..8.0@b=x:log", "put modifiers first, as in a=1.0..8.0:log@b=x"},
		{"a=foo(1)", "the function foo is unknown; known are uniform"},
		{"a=int(1,8", "does not end like it"},
		{"a=int(1,8)x", "does not end like it"},
		{"a=int(1)", "write int(1,8)"},
		{"a=uniform(0,x)", "x in uniform(0,x) is no number"},
		{"a=uniform(0,1):log", "does not go with the function uniform"},
		{"a=normal(0,1)", "write normal(mu,sigma,lo,hi)"},
		{"a=normal(0,0,0,1)", "is no standard deviation"},
		{"a:=x", "is no valid JSON; put it in quotes"},
		{"a:=", "is no valid JSON"},
		{"a:=[]", "there are no choices"},
		{"a:=null", "not a number, text, true or false"},
		{"a:=[[1]]", "not a number, text"},
		{`a:={"low":1}`, "the type is missing"},
		{`a:={"type":"int","low":1,"high":2,"hihg":3}`, `the field "hihg" is unknown`},
	} {
		t.Run(tt.arg, func(t *testing.T) {
			_, err := Parse(tt.arg)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error\n%v\nwant\n%s", err, tt.want)
			}
			e, ok := errors.AsType[*types.Error](err)
			if !ok || e.Code != types.Invalid {
				t.Errorf("%#v is no *types.Error of code invalid", err)
			}
			if strings.Contains(err.Error(), "%!") {
				t.Errorf("a broken format: %v", err)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	parents := []string{"opt=sgd,adam,01", "layers=1..8", "lr=1e-5..1e-1:log", "bs=16..512..x2", "flag=True,False:bool", "dir=../a,../b", "url=choice(http://a:80,b)"}
	for _, tt := range []struct{ cond, want string }{
		{"@opt=sgd", `{"param":"opt","in":["sgd"]}`},
		{"@opt=sgd,adam", `{"param":"opt","in":["sgd","adam"]}`},
		{"@opt=01", `{"param":"opt","in":[1]}`},
		{"@opt!=sgd", `{"param":"opt","not_in":["sgd"]}`},
		{"@opt!=sgd,adam", `{"param":"opt","not_in":["sgd","adam"]}`},
		{"@layers=2..4", `{"param":"layers","range":[2,4]}`},
		{"@layers=2..", `{"param":"layers","range":[2,null]}`},
		{"@layers=..4", `{"param":"layers","range":[null,4]}`},
		{"@layers=2", `{"param":"layers","in":[2]}`},
		{"@lr=1e-3..", `{"param":"lr","range":[0.001,null]}`},
		{"@lr=..1", `{"param":"lr","range":[null,1.0]}`},
		{"@bs=32..", `{"param":"bs","range":[32,null]}`},
		{"@bs=32,64.0", `{"param":"bs","in":[32,64]}`},
		{"@flag=True", `{"param":"flag","in":[true]}`},
		{"@flag=true", `{"param":"flag","in":[true]}`},
		{"@dir=../a", `{"param":"dir","in":["../a"]}`},
		{"@url=http://a:80", `{"param":"url","in":["http://a:80"]}`},
		{" @ opt = sgd @ layers = 2.. ", `{"all":[{"param":"opt","in":["sgd"]},{"param":"layers","range":[2,null]}]}`},
	} {
		t.Run(tt.cond, func(t *testing.T) {
			got := form(t, append([]string{"m=0.0..0.99" + tt.cond}, parents...)...)
			got, _, _ = strings.Cut(got, "\n")
			if diff := cmp.Diff(`{"name":"m","type":"float","low":0.0,"high":0.99,"when":`+tt.want+"}", got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, tt := range []struct{ cond, want string }{
		{"@op=sgd", "space.m.when: the condition names the unknown parameter op; known are m, opt, layers"},
		{"@opt=sdg", "space.m.when: the condition on opt can never be met: sdg is none of the choices; opt has sgd, adam, 01"},
		{"@layers=9", "which is above the high end 8"},
		{"@layers=a..b", "is no range of layers"},
		{"@layers=..", "is no range of layers"},
		{"@layers!=2..4", "excludes a range"},
	} {
		_, _, err := ParseAll(append([]string{"m=0.0..0.99" + tt.cond}, parents...))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.cond, err, tt.want)
		}
	}
}

func TestParseAllErrors(t *testing.T) {
	_, _, err := ParseAll([]string{"a=1..2", "a=3..4"})
	if want := "space.a: the parameter a is given twice: a=1..2 and a=3..4; rename or remove one"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	_, _, err = ParseAll([]string{"a=0..1", "b=1..", "c=1..2"})
	if err == nil || !strings.HasPrefix(err.Error(), "space: 2 faults\nspace.a: ") || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not both faults: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct{ arg, want string }{
		{"lr=1e-5..1e-1", "lr spans 4.0 decades on a linear scale, so nine of ten values lie above 0.01; add :log unless that is meant"},
		{"lr=0.001..0.1", ""},
		{"lr=0.0..100.0", ""},
		{"lr=1e-5..1e-1:log", ""},
		{"n=1..100000", ""},
		{"bs=16,32,64", ""},
		{"bs=16,32,64,128", "the 4 numbers of bs are choices without an order; add :ordinal, or write bs=16..128..x2"},
		{"bs=1,2,3,4", "the 4 numbers of bs are choices without an order; add :ordinal, or write bs=1..4"},
		{"bs=10,20,30,40", "the 4 numbers of bs are choices without an order; add :ordinal, or write bs=10..40..10"},
		{"bs=0.1,0.2,0.5,1", "the 4 numbers of bs are choices without an order; add :ordinal"},
		{"bs=4,3,2,1", ""},
		{"bs=16,32,64,128:ordinal", ""},
		{"bs=16,32,64,128:str", ""},
		{"bs:=[16,32,64,128]", ""},
	} {
		_, got, err := ParseAll([]string{tt.arg})
		if err != nil || strings.Join(got, "|") != tt.want {
			t.Errorf("%s: %q (%v), want %q", tt.arg, got, err, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	params, _, err := ParseAll([]string{
		"lr=1e-5..1e-1:log:default=1e-3", "layers=1..8", "drop=0.0..0.8..0.1", "opt=sgd,adam,lbfgs", "bs=16..512..x2",
		"m=0.0..0.99@opt=sgd,adam@layers=2..", "id=001,1:str", "flag=True,False", "seed=1,2", "prior=normal(0.5,0.1,0,1)",
		`x:={"type":"int","low":0,"high":9,"when":{"any":[{"param":"flag","in":["True"]},{"not":{"param":"opt","in":["sgd"]}}]}}`,
		"many=a1,a2,a3,a4,a5,a6,a7,a8,a9,a10,a11,a12,a13,a14,a15,a16,a17,a18,a19",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `
parameter  type            values                                               scale            default  only if                      to change it
lr         float           1e-5 .. 0.1                                          log              0.001
layers     int             1 .. 8                                                                                                      :float
drop       float           0.0 .. 0.8 step 0.1
opt        choice of text  sgd, adam, lbfgs                                                                                            :ordinal
bs         ordered int     16, 32, 64, 128, 256, 512
m          float           0.0 .. 0.99                                                                    opt=sgd,adam and layers=2..
id         choice of text  "001", "1"                                                                                                  :ordinal
flag       choice of text  "True", "False"                                                                                             :bool :ordinal
seed       choice of int   1, 2                                                                                                        :str :ordinal
prior      float           0.0 .. 1.0                                           normal(0.5,0.1)
x          int             0 .. 9                                                                         flag=True or not (opt=sgd)   :float
many       choice of text  a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, … a19 (19)                                                         :ordinal
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), Table(params)); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, Table(params))
	}
}

func TestValue(t *testing.T) {
	for _, tt := range []struct {
		arg, text string
		want      space.Value // nil is an error
	}{
		{"a=1..8", "3", int64(3)}, {"a=1..8", "3.0", int64(3)}, {"a=1..8", "3.5", nil}, {"a=1..8", "9", nil}, {"a=1..8", "", nil},
		{"a=0.0..1.0", "1", 1.0}, {"a=0.0..1.0", "1e-3", 0.001}, {"a=0.0..1.0", "nan", nil}, {"a=0.0..1.0", "-0.0", 0.0},
		{"a=0.0..0.8..0.1", "0.3", 0.3}, {"a=0.0..0.8..0.1", "0.35", nil},
		{"a=1.10,2", "1.10", 1.1}, {"a=1.10,2", "1.1", 1.1}, {"a=1.10,2", "3", nil},
		{"a=True,False:bool", "True", true}, {"a=True,False:bool", "no", false}, {"a=True,False:bool", "x", nil},
		{"a=1,2:str", "1", "1"}, {"a=1,2:str", "1.0", nil},
		{"a=1,x", "1.0", int64(1)}, {"a=1,x", "x", "x"},
		{"a=x", "x", "x"},
	} {
		p, err := Parse(tt.arg)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Value(&p.Parameter, tt.text)
		if (err == nil) != (tt.want != nil) || err == nil && got != tt.want {
			t.Errorf("%s of %s: %#v, %v; want %#v", tt.text, tt.arg, got, err, tt.want)
		}
	}
}

func TestPoint(t *testing.T) {
	params, _, err := ParseAll([]string{"lr=1e-5..1e-1:log", "hidden=8..128", "opt=sgd,adam", "s=a,b"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := space.New(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		arg  string
		want types.Params
		err  string
	}{
		{arg: "hidden=64, lr=1e-3", want: types.Params{{Name: "lr", Value: 0.001}, {Name: "hidden", Value: int64(64)}}},
		{arg: `{"opt":"sgd","lr":0.001}`, want: types.Params{{Name: "lr", Value: 0.001}, {Name: "opt", Value: "sgd"}}},
		{arg: "lr", err: "is no assignment; write lr=1e-3,hidden=64"},
		{arg: "", err: "is no assignment"},
		{arg: "lr=1,lr=2", err: "given twice"},
		{arg: "x=1", err: "params.x: the space has no parameter x; it has lr, hidden, opt, s"},
		{arg: "lr=1e-3,hidden=7,opt=x", err: "2 faults\nparams.hidden: it is 7, which is below the low end 8; hidden has 8 .. 128\nparams.opt: x is none of the choices; opt has sgd, adam"},
		{arg: `{"lr":`, err: "is no point"},
		{arg: `{"lr":7}`, err: "params.lr: it is 7, which is above the high end 0.1; lr has 1e-05 .. 0.1"},
	} {
		got, err := Point(s, tt.arg)
		if tt.err == "" {
			if err != nil || !cmp.Equal(tt.want, got) {
				t.Errorf("%s: %v, %v", tt.arg, got, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %s", tt.arg, err, tt.err)
		}
	}
}

func TestFormat(t *testing.T) {
	// Each argument is already in the form in which it is printed.
	args := []string{
		"lr=1e-5..0.1:log:default=0.001", "layers=1..8", "zero=0..1:int", "drop=0.0..0.8..0.1", "opt=sgd,adam,01", "flag=True,False:bool",
		"b=true,false", "m=0.0..0.99@opt=sgd,01@layers=2..@flag=True", "ids=001,1.10:str", "f=1,2:float", "size=s,m,l:ordinal:default=m",
		"r=0.9..0.999:revlog:n=4", "p=normal(0.5,0.1,0.0,1.0)", "pi=normal(5.0,2.5,0,10):int", "c=x", "big=1e-300..1e300",
		"not=1..3@opt!=sgd", `u:={"type":"categorical","choices":["a,b","c:d"]}`,
	}
	params, _, err := ParseAll(args)
	if err != nil {
		t.Fatal(err)
	}
	s, err := space.New(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(args, Format(s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// checkStable parses, prints, parses and prints again.
func checkStable(t *testing.T, args []string) {
	t.Helper()
	params, _, err := ParseAll(args)
	if err != nil {
		if broken := strings.Contains(err.Error(), "%!") && !strings.Contains(strings.Join(args, ""), "%"); broken || err.Error() == "" {
			t.Fatalf("%q: a broken message: %v", args, err)
		}
		return
	}
	s, err := space.New(params, nil)
	if err != nil {
		return // cycles, and what names itself
	}
	if text := Table(params); strings.Count(text, "\n") < len(params)+1 {
		t.Fatalf("%q: table %q", args, text)
	}
	printed := Format(s)
	again, _, err := ParseAll(printed)
	if err != nil {
		t.Fatalf("%q is printed as %q, which does not parse: %v", args, printed, err)
	}
	back, err := space.New(again, nil)
	if err != nil {
		t.Fatalf("%q is printed as %q, which is no space: %v", args, printed, err)
	}
	if diff := cmp.Diff(s.String(), back.String()); diff != "" {
		t.Fatalf("%q is printed as %q, which is another space:\n%s", args, printed, diff)
	}
	if diff := cmp.Diff(printed, Format(back)); diff != "" {
		t.Fatalf("%q: printing is not stable:\n%s", args, diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"lr=1e-5..1e-1:log", "a=0..8..2:default=4", "a=16..512..x2", "a=1.10,001,x", "a=true,false", "a=True,False:bool", "a=1,2.5:ordinal",
		"a=normal(0.5,0.1,0,1)", "a=choice(x:y,z@w)", `a:=["x,y",1,{"value":2,"text":"two"}]`, `a:={"type":"int","low":1,"high":9,"step":2}`,
		"m=0.0..0.9@opt=sgd,adam@layers=2..", "m=1..2@opt!=x", "a=../x", "a=..", "a=~", "a=2024-01-01..2024-02-01", "a=0..1", "a=x:str",
	} {
		f.Add(seed, "opt=sgd,adam", "layers=1..8")
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		checkStable(t, []string{a})
		checkStable(t, []string{a, b, c})
	})
}

func TestConditionForm(t *testing.T) {
	a, n := space.In{Param: "o", Values: []space.Value{"a"}}, space.Range{Param: "n", Lo: int64(2)}
	for _, test := range []struct {
		c    space.Condition
		want string
	}{
		{nil, ""}, {a, "@o=a"}, {space.NotIn{Param: "o", Values: []space.Value{"a", "b"}}, "@o!=a,b"}, {space.And{a, n}, "@o=a@n=2.."},
		{space.Or{a, n}, "o=a or n=2.."}, {space.And{a, space.Not{Of: n}}, "o=a and not (n=2..)"},
	} {
		if got := ConditionForm(test.c, nil); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
