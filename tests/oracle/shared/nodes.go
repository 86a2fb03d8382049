package main

import (
	"encoding/json"
	"strconv"
)

type nodesInput struct {
	Op                       string `json:"op"`
	NumAllNodes              int32  `json:"num_all_nodes"`
	PercentageOfNodesToScore *int32 `json:"percentage_of_nodes_to_score"`
	GlobalPercentage         *int32 `json:"global_percentage"`
	ProfilePercentage        *int32 `json:"profile_percentage"`
}

func judgeNodes(input json.RawMessage) interface{} {
	var asked nodesInput
	decode(input, &asked)
	if asked.Op != "" && asked.Op != "num_feasible_nodes" {
		panic(refusal("unknown op " + strconv.Quote(asked.Op)))
	}
	global := asked.PercentageOfNodesToScore
	if global == nil {
		global = asked.GlobalPercentage
	}
	if global == nil {
		panic(refusal("neither percentage_of_nodes_to_score nor global_percentage is given"))
	}
	return numFeasibleNodesToFind(*global, asked.ProfilePercentage, asked.NumAllNodes)
}
