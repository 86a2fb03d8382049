// Command oracle lets upstream's own code judge: it is built once per Kubernetes release, against that
// release's modules, and computes nothing itself.
//
// It reads one case a line, {"topic": "node/qos_by_release", "input": {…}}, and writes one line a case: what
// upstream computes, in the form of a vector's `expected`. Beside those forms there are
//
//	{"panic": TEXT}    upstream's function panicked
//	{"error": NAME}    upstream's quantity parser refused, with the name of its error
//	{"refused": TEXT}  the case was never put to upstream: it cannot be read, or this release has no such thing
//
// Feature gates belong to the process, because a refused setting stays in the gate's map and spoils every
// later one: start one process for each set. A set that the release refuses ends the process with code 2.
//
// The sources are written in Go 1.15's dialect: the oldest release's module keeps its own `go` line.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

type request struct {
	Topic string          `json:"topic"`
	Input json.RawMessage `json:"input"`
}

// refusal ends a case that was never put to upstream's code.
type refusal string

func main() {
	gates := flag.String("gates", "", "feature gates of this process, as A=true,B=false")
	flag.Parse()
	set, err := parseGates(*gates)
	if err == nil {
		err = setGates(set)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "oracle %s: --gates %s: %v\n", release, *gates, err)
		os.Exit(2)
	}
	if err := serve(os.Stdin, os.Stdout, set); err != nil {
		fmt.Fprintf(os.Stderr, "oracle %s: %v\n", release, err)
		os.Exit(1)
	}
}

func parseGates(text string) (map[string]bool, error) {
	set := map[string]bool{}
	if text == "" {
		return set, nil
	}
	for _, pair := range strings.Split(text, ",") {
		parts := strings.SplitN(pair, "=", 2)
		if len(parts) != 2 {
			return nil, fmt.Errorf("%q is not NAME=true or NAME=false", pair)
		}
		on, err := strconv.ParseBool(parts[1])
		if err != nil {
			return nil, fmt.Errorf("%q is not NAME=true or NAME=false", pair)
		}
		set[parts[0]] = on
	}
	return set, nil
}

// serve answers line by line. It flushes when no further input waits, so a caller may hold a conversation or
// send everything at once; in the latter case it has to read while it writes, or the pipes fill up.
func serve(input io.Reader, output io.Writer, gates map[string]bool) error {
	in := bufio.NewReaderSize(input, 1<<20)
	out := bufio.NewWriterSize(output, 1<<20)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, readErr := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if err := encoder.Encode(answer(line, gates)); err != nil {
				return err
			}
		}
		if in.Buffered() == 0 || readErr != nil {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

func answer(line []byte, gates map[string]bool) (result interface{}) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case refusal:
			result = map[string]string{"refused": string(cause)}
		default:
			result = map[string]string{"panic": fmt.Sprint(cause)}
		}
	}()
	var asked request
	decode(line, &asked)
	checkGates(asked.Input, gates)
	switch {
	case strings.HasPrefix(asked.Topic, "node/qos"), strings.HasPrefix(asked.Topic, "node/oom_score_adj"):
		return judgePod(asked.Input)
	case strings.HasPrefix(asked.Topic, "node/quantity"):
		return judgeQuantity(asked.Input)
	case strings.HasPrefix(asked.Topic, "sched/") && strings.Contains(asked.Topic, "num_feasible_nodes"):
		return judgeNodes(asked.Input)
	default:
		panic(refusal("unknown topic " + strconv.Quote(asked.Topic)))
	}
}

// checkGates refuses a case that wants other gates than this process was started with.
func checkGates(input json.RawMessage, gates map[string]bool) {
	var wanted struct {
		FeatureGates map[string]bool `json:"featureGates"`
	}
	decode(input, &wanted)
	same := wanted.FeatureGates == nil || len(wanted.FeatureGates) == len(gates)
	for name, on := range wanted.FeatureGates {
		set, known := gates[name]
		same = same && known && set == on
	}
	if !same {
		panic(refusal(fmt.Sprintf("started with gates %v, the case wants %v", gates, wanted.FeatureGates)))
	}
}

func decode(data []byte, into interface{}) {
	if err := json.Unmarshal(data, into); err != nil {
		panic(refusal(err.Error()))
	}
}
