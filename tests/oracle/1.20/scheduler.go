package main

import (
	"unsafe"

	schedulercore "k8s.io/kubernetes/pkg/scheduler/core"
)

//go:linkname genericSchedulerNumFeasibleNodesToFind k8s.io/kubernetes/pkg/scheduler/core.(*genericScheduler).numFeasibleNodesToFind
func genericSchedulerNumFeasibleNodesToFind(scheduler unsafe.Pointer, numAllNodes int32) int32

// numFeasibleNodesToFind asks the real scheduler struct. Its type is unexported, so the receiver is the
// pointer inside the interface that the constructor returns.
func numFeasibleNodesToFind(global int32, profile *int32, numAllNodes int32) int32 {
	if profile != nil {
		panic(refusal("profiles have no percentageOfNodesToScore in this release"))
	}
	algorithm := schedulercore.NewGenericScheduler(nil, nil, nil, global)
	words := (*[2]unsafe.Pointer)(unsafe.Pointer(&algorithm))
	return genericSchedulerNumFeasibleNodesToFind(words[1], numAllNodes)
}
