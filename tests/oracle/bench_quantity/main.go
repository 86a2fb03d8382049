// Command bench_quantity times apimachinery's own quantity parser, for a comparison within one run.
//
//	bench_quantity FILE ROUNDS
//
// FILE holds one quantity a line. All of them are parsed in each round, and one JSON line tells the mean and the
// best round in nanoseconds a parse. Texts that do not parse are timed like the others, and counted.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

type report struct {
	Strings     int     `json:"strings"`
	Rounds      int     `json:"rounds"`
	Refused     int     `json:"refused"`
	NsPerParse  float64 `json:"ns_per_parse"`
	NsBestRound float64 `json:"ns_per_parse_best_round"`
}

func main() {
	if len(os.Args) != 3 {
		fail("usage: bench_quantity FILE ROUNDS")
	}
	rounds, err := strconv.Atoi(os.Args[2])
	if err != nil || rounds < 1 {
		fail("ROUNDS is a whole number from 1 on, not " + os.Args[2])
	}
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail(err.Error())
	}
	texts := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if err := json.NewEncoder(os.Stdout).Encode(measure(texts, rounds)); err != nil {
		fail(err.Error())
	}
}

func measure(texts []string, rounds int) report {
	var total, best time.Duration
	refused := parseAll(texts) // warms up, and counts
	for i := 0; i < rounds; i++ {
		start := time.Now()
		parseAll(texts)
		took := time.Since(start)
		total += took
		if i == 0 || took < best {
			best = took
		}
	}
	parses := float64(len(texts))
	return report{
		Strings:     len(texts),
		Rounds:      rounds,
		Refused:     refused,
		NsPerParse:  float64(total.Nanoseconds()) / (parses * float64(rounds)),
		NsBestRound: float64(best.Nanoseconds()) / parses,
	}
}

// sink keeps the results alive: the compiler may not drop a parse whose result is read.
var sink resource.Quantity

func parseAll(texts []string) (refused int) {
	for _, text := range texts {
		quantity, err := resource.ParseQuantity(text)
		if err != nil {
			refused++
		}
		sink = quantity
	}
	return refused
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "bench_quantity: "+message)
	os.Exit(1)
}
