package earlystop_test

import (
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/earlystop"
)

// Settings with which a rule can never do anything are refused, those beside them
// are not.
func TestCheckIdle(t *testing.T) {
	for text, want := range map[string]string{
		"none": "", "median": "", "percentile:percentile=100": "", "patience": "", "asha": "", "hyperband": "",
		"asha:min_step=99":                                            "", // the length is not known
		"asha:min_step=9,max_step=10":                                 "",
		"asha:max_step=2":                                             "",
		"asha:max_step=9223372036854775807,eta=100":                   "",
		"asha:min_step=10,max_step=10":                                "asha.min_step: the first rung, step 10, has to lie before the end of a trial, step 10; make min_step smaller, or leave it out; or make max_step larger",
		"asha:min_step=20,max_step=10,mode=promote":                   "asha.min_step: the first rung, step 20, has to lie before the end of a trial, step 10; make min_step smaller, or leave it out; or make max_step larger",
		"asha:max_step=1":                                             "asha.max_step: trials of 1 step have no rung before their end; max_step is how many epochs, or whatever your program reports by, a whole trial has",
		"hyperband:max_step=3":                                        "",
		"hyperband:max_step=9223372036854775807,eta=100,max_rungs=10": "",
		"hyperband:max_step=2":                                        "hyperband.max_step: trials of 2 steps have no rung before their end; max_step is how many epochs, or whatever your program reports by, a whole trial has",
		"hyperband:max_rungs=1":                                       "hyperband.max_rungs: a bracket of one rung lets all trials run to their end; give 2 or more; 5 is the default",
		"hyperband:max_rungs=1,max_step=99":                           "hyperband.max_rungs: a bracket of one rung lets all trials run to their end; give 2 or more; 5 is the default",
		"pbt:max_step=2":                                              "",
		"pbt:max_step=10001,interval=1":                               "",
		"pbt:max_step=10002,interval=1":                               "pbt.interval: a population of 10002 steps would be compared 10001 times; make it larger: 10000 comparisons are the most, and ten are usual",
		"pbt:max_step=5,interval=5":                                   "pbt.interval: a population of 5 steps is never compared every 5; make it smaller than max_step",
		"pbt:max_step=9223372036854775807":                            "",
		"threshold":                                                   "",
		"threshold:nan=false,lower=-1e308":                            "",
		"threshold:nan=false":                                         "threshold.nan: without bounds, and with NaN allowed, no trial is ever ended; add upper=V or lower=V",
		"wilcoxon:p=0.5":                                              "",
		"wilcoxon:p=0":                                                "wilcoxon.p: no test is below 0, so no trial is ever ended; give a level such as 0.1",
	} {
		c, err := earlystop.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := earlystop.New(c, earlystop.Config{Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
		if err != nil {
			t.Fatal(text, err)
		}
		got := ""
		if err := earlystop.CheckIdle(c.Name, s); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	const form = "write it as NAME or NAME:SETTING=VALUE,SETTING=VALUE"
	for text, want := range map[string]string{
		"asha:promote":            `in "asha:promote", "promote" is not of the form SETTING=VALUE; write it as asha:mode=promote`,
		"patience:steps=3,median": `in "patience:steps=3,median", "median" is not of the form SETTING=VALUE; write it as patience:steps=3,of=median`,
		"asha:fast":               `in "asha:fast", "fast" is not of the form SETTING=VALUE; ` + form,
		"ahsa:promote":            `in "ahsa:promote", "promote" is not of the form SETTING=VALUE; ` + form,
		"":                        `"" does not begin with a name; ` + form,
	} {
		if _, err := earlystop.Parse(text); err == nil || err.Error() != want || types.CodeOf(err) != types.Invalid {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if c, err := earlystop.Parse("asha:mode=promote"); err != nil || c.Name != "asha" || c.Settings["mode"] != "promote" {
		t.Errorf("%+v, %v", c, err)
	}
}
